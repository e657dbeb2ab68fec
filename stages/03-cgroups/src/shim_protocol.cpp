#include "shim_protocol.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::size_t kMaxDescriptors = 4;
constexpr std::size_t kMaxInput = std::size_t{1} << 20U;

/// The address of a name in a directory that is open: sun_path holds 107 bytes, paths of bundles
/// may be longer.
sockaddr_un address_in(int directory) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, kShimSocket);
    std::memcpy(&address.sun_path[0], path.c_str(), path.size() + 1);
    return address;
}

UniqueFd new_socket() {
    return UniqueFd(check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
                          "socket(AF_UNIX, SOCK_SEQPACKET)"));
}

}  // namespace

std::vector<UniqueFd> take_descriptors(msghdr& header) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

void set_text(ShimMessage& message, std::string_view text) {
    message.text.fill('\0');
    text.copy(message.text.data(), message.text.size() - 1);
}

std::string text_of(const ShimMessage& message) {
    return {message.text.data(), ::strnlen(message.text.data(), message.text.size())};
}

void send_message(int socket, const ShimMessage& message, const std::vector<int>& fds, int flags) {
    ShimMessage copy = message;
    iovec part{.iov_base = &copy, .iov_len = sizeof copy};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
    }
    ssize_t sent = -1;
    do {
        sent = ::sendmsg(socket, &header, flags | MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    check(sent, "sendmsg(shim's socket)");
}

std::optional<ReceivedMessage> receive_message(int socket, int flags) {
    ReceivedMessage received;
    iovec part{.iov_base = &received.message, .iov_len = sizeof received.message};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t got = -1;
    do {
        got = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    } while (got == -1 && errno == EINTR);
    check(got, "recvmsg(shim's socket)");
    received.fds = take_descriptors(header);
    if (got == 0) {
        return std::nullopt;
    }
    if (got != sizeof(ShimMessage) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        received.message.magic != ShimMessage{}.magic ||
        received.message.keys_length > received.message.keys.size()) {
        throw InputError(
            fmt::format("shim's socket: {} bytes that are no message of this protocol", got));
    }
    return received;
}

OutgoingMessage attach_message(Attachment attachment) {
    OutgoingMessage out{.message = {.verb = Verb::Attach}};
    ShimMessage& message = out.message;
    message.flags = (attachment.in ? kFlagIn : 0U) | (attachment.out ? kFlagOut : 0U) |
                    (attachment.err ? kFlagErr : 0U) | (attachment.framed ? kFlagFramed : 0U);
    if (attachment.detach_keys.size() > message.keys.size()) {
        throw InputError(fmt::format("detach keys: {} bytes; expected at most {}",
                                     attachment.detach_keys.size(), message.keys.size()));
    }
    message.keys_length = static_cast<std::uint32_t>(
        attachment.detach_keys.copy(message.keys.data(), message.keys.size()));
    out.fds.push_back(std::move(attachment.socket));
    if (!attachment.already_read.empty()) {
        out.fds.push_back(memory_file(attachment.already_read));
    }
    return out;
}

Attachment attachment_of(const ShimMessage& message, std::vector<UniqueFd> fds) {
    if (fds.empty()) {
        throw InputError("shim's socket: an attachment without a socket");
    }
    Attachment attachment{.socket = std::move(fds[0]),
                          .in = (message.flags & kFlagIn) != 0,
                          .out = (message.flags & kFlagOut) != 0,
                          .err = (message.flags & kFlagErr) != 0,
                          .framed = (message.flags & kFlagFramed) != 0,
                          .detach_keys = {message.keys.data(), message.keys_length}};
    if (fds.size() > 1) {
        attachment.already_read = read_all(fds[1].get(), kMaxInput, "input of an attached client");
    }
    return attachment;
}

UniqueFd memory_file(std::string_view bytes) {
    UniqueFd fd(
        check(::memfd_create("drydock", MFD_CLOEXEC), "memfd_create(drydock, MFD_CLOEXEC)"));
    write_all(fd.get(), bytes, "memfd");
    check(::lseek(fd.get(), 0, SEEK_SET), "lseek(memfd, 0)");
    return fd;
}

UniqueFd listen_in(int bundle_fd) {
    constexpr int kQueue = 128;
    UniqueFd listening = new_socket();
    ::unlinkat(bundle_fd, kShimSocket, 0);
    const sockaddr_un address = address_in(bundle_fd);
    const mode_t before = ::umask(0177);
    const int rc =
        ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(before);
    errno = error;
    check(rc, "bind({})", kShimSocket);
    check(::listen(listening.get(), kQueue), "listen({})", kShimSocket);
    return listening;
}

UniqueFd connect_to_shim(const fs::path& bundle) {
    const auto gone = [&] {
        return InputError(
            fmt::format("{}: no shim listens there: the container does not run", bundle.native()));
    };
    const UniqueFd directory(::open(bundle.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) {
        throw gone();
    }
    UniqueFd socket = new_socket();
    const sockaddr_un address = address_in(directory.get());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
        -1) {
        if (errno == ENOENT || errno == ECONNREFUSED) {
            throw gone();
        }
        check(-1, "connect({}/{})", bundle.native(), kShimSocket);
    }
    return socket;
}

}  // namespace drydock
