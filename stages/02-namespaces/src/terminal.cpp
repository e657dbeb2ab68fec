#include "02-namespaces/terminal.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "02-namespaces/mount.hpp"

namespace drydock {
namespace {

void put(int fd, int as) {
    check(::dup2(fd, as), "dup2({}, {})", fd, as);
}

[[noreturn]] void throw_no_terminal(const char* what) {
    throw SetupError(fmt::format("terminal: {}; expected a devpts mounted at /dev/pts", what),
                     std::make_error_code(std::errc::no_such_device), kSetupFailed);
}

union ControlBuffer {
    cmsghdr align;
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

// [region: open-terminal]
PseudoTerminal open_pseudo_terminal(int root, TerminalSize size) {
    const UniqueFd directory =
        open_in_root_if_there(root, "/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) {
        throw_no_terminal("no /dev/pts in the root");
    }
    struct statfs status{};
    check(::fstatfs(directory.get(), &status), "fstatfs(/dev/pts)");
    if (status.f_type != DEVPTS_SUPER_MAGIC) {
        throw_no_terminal("/dev/pts in the root is something else");
    }
    PseudoTerminal terminal;
    terminal.master = open_at(directory.get(), "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
    int lock = 0;
    check(::ioctl(terminal.master.get(), TIOCSPTLCK, &lock), "ioctl(TIOCSPTLCK, 0)");
    // By the descriptor: the name /dev/pts/0 may lead elsewhere by now (CVE-2025-52565).
    terminal.peer =
        UniqueFd(check(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC),
                       "ioctl(TIOCGPTPEER)"));
    if (size.rows != 0 || size.columns != 0) {
        const winsize wanted{
            .ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
        check(::ioctl(terminal.master.get(), TIOCSWINSZ, &wanted), "ioctl(TIOCSWINSZ, {}x{})",
              size.columns, size.rows);
    }
    return terminal;
}
// [/region]

void bind_console(int root, int peer) {
    const UniqueFd dev = open_in_root(root, "/dev", O_PATH | O_DIRECTORY);
    const int made =
        ::openat(dev.get(), "console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made == -1 && errno != EEXIST) {
        check(-1, "open(/dev/console, O_CREAT)");
    }
    const UniqueFd ours(made);
    // O_NOFOLLOW with O_PATH opens a link itself, and a mount on a link is refused.
    const UniqueFd target = open_at(dev.get(), "console", O_PATH | O_NOFOLLOW);
    bind_fd_at(target.get(), peer,
               {.source = "the terminal", .target = "/dev/console", .flags = MS_BIND});
}

void use_as_standard_streams(int peer) {
    for (const int stream : {0, 1, 2}) {
        put(peer, stream);
    }
}

// [region: controlling-terminal]
void take_controlling_terminal() {
    // Only a session leader without one gets a controlling terminal, and a terminal that was
    // inherited is never made one: what is typed into that with TIOCSTI would run on the host.
    check(::ioctl(0, TIOCSCTTY, 0), "ioctl(TIOCSCTTY)");
}
// [/region]

void own_standard_streams(uid_t uid, bool own_terminal) {
    for (const int stream : {0, 1, 2}) {
        struct stat status{};
        if (::fstat(stream, &status) == 0 && status.st_uid != uid &&
            (S_ISFIFO(status.st_mode) || (own_terminal && S_ISCHR(status.st_mode)))) {
            static_cast<void>(!::fchown(stream, uid, status.st_gid));
        }
    }
}

void send_descriptor(int socket, int fd) {
    char name[] = "/dev/ptmx";
    iovec text{.iov_base = name, .iov_len = sizeof name - 1};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    check(::sendmsg(socket, &message, MSG_NOSIGNAL), "sendmsg(console socket, SCM_RIGHTS)");
}

UniqueFd receive_descriptor(int socket) {
    std::array<char, 4096> name{};
    iovec text{.iov_base = name.data(), .iov_len = name.size()};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    check(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC), "recvmsg(console socket)");
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int))) {
        throw SetupError("terminal: the console socket was closed before the terminal came",
                         std::make_error_code(std::errc::connection_aborted), kSetupFailed);
    }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return UniqueFd(fd);
}

UniqueFd connect_to_socket(const std::filesystem::path& path, int type) {
    UniqueFd socket(check(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0), "socket(AF_UNIX)"));
    // sun_path holds 107 characters; a path of /proc stands for a longer one.
    const UniqueFd file = open_file(path, O_PATH);
    const std::string name = fmt::format("/proc/self/fd/{}", file.get());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "connect({})", path.native());
    return socket;
}

}  // namespace drydock
