#include "03-cgroups/shim_zygote.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/descriptors.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/programs.hpp"
#include "03-cgroups/shim.hpp"

#include "shim_launch.hpp"
#include "shim_protocol.hpp"
#include "spawn.hpp"

namespace drydock {
namespace {

constexpr std::size_t kLargestRequest = std::size_t{64} << 10U;

/// The options as one text: a field after the other, each with a NUL behind it.
std::string zygote_request(const ShimOptions& options) {
    std::string text;
    const auto put = [&](std::string_view field) {
        text += field;
        text += '\0';
    };
    for (const auto* path :
         {&options.root, &options.bundle, &options.log_file, &options.explain_file}) {
        put(path->native());
    }
    put(options.id);
    for (const std::uint64_t number :
         {options.log_limits.max_bytes, std::uint64_t{options.log_limits.max_files},
          std::uint64_t{options.open_stdin}, std::uint64_t{options.stdin_once},
          std::uint64_t{options.rows}, std::uint64_t{options.columns},
          static_cast<std::uint64_t>(options.hold.count())}) {
        put(std::to_string(number));
    }
    for (const std::string& step : options.walk.without) {
        put(step);
    }
    return text;
}

ShimOptions zygote_options(std::string_view text) {
    const auto take = [&] {
        const auto end = std::min(text.find('\0'), text.size());
        const std::string field(text.substr(0, end));
        text.remove_prefix(std::min(text.size(), end + 1));
        return field;
    };
    const auto number = [&] {
        const std::string field = take();
        std::uint64_t value = 0;
        std::from_chars(field.data(), field.data() + field.size(), value);
        return value;
    };
    ShimOptions options;
    options.root = take();
    options.bundle = take();
    options.log_file = take();
    options.explain_file = take();
    options.id = take();
    options.log_limits.max_bytes = number();
    options.log_limits.max_files = static_cast<unsigned>(number());
    options.open_stdin = number() != 0;
    options.stdin_once = number() != 0;
    options.rows = static_cast<unsigned>(number());
    options.columns = static_cast<unsigned>(number());
    options.hold = std::chrono::milliseconds(number());
    while (!text.empty()) {
        options.walk.without.push_back(take());
    }
    return options;
}

/// In the copy: becomes a shim with those two lines, and nothing of the zygote's.
[[noreturn]] void be_shim(const std::string& request, int control, int report) noexcept {
    try {
        check(::setsid(), "setsid()");
        static_cast<void>(std::signal(SIGCHLD, SIG_DFL));
        check(::dup2(control, 0), "dup2({}, 0)", control);
        check(::dup2(report, 1), "dup2({}, 1)", report);
        constexpr std::array<int, 3> kStandard = {0, 1, 2};
        close_descriptors_but(kStandard);
        ::_exit(run_shim(zygote_options(request)));
    } catch (...) {
        ::_exit(report_current_exception("drydock-shim"));
    }
}

/// A message of any length up to kLargestRequest, with descriptors.
struct ZygoteMessage {
    std::string text{};
    std::vector<UniqueFd> fds{};
};

void send_to_zygote(int socket, std::string_view text, std::initializer_list<int> fds) {
    iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.begin(), fds.size() * sizeof(int));
    check(::sendmsg(socket, &message, MSG_NOSIGNAL), "sendmsg(zygote)");
}

/// @return nothing when the other end is closed
std::optional<ZygoteMessage> receive_at_zygote(int socket) {
    std::string buffer(kLargestRequest, '\0');
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = -1;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got == -1 && errno == EINTR);
    check(got, "recvmsg(zygote)");
    ZygoteMessage received;
    received.fds = take_descriptors(message);
    if (got == 0) {
        return std::nullopt;
    }
    buffer.resize(static_cast<std::size_t>(got));
    received.text = std::move(buffer);
    return received;
}

}  // namespace

struct ShimZygote::Shim {
    pid_t pid = 0;
    UniqueFd pidfd{};
};

ShimZygote::ShimZygote() {
    launch();
}

ShimZygote::~ShimZygote() {
    socket_ = UniqueFd();
    siginfo_t ended{};
    while (pidfd_ && ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ended, WEXITED) == -1 &&
           errno == EINTR) {
    }
}

void ShimZygote::launch() {
    std::array<int, 2> pair{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()),
          "socketpair(AF_UNIX, SOCK_SEQPACKET)");
    socket_ = UniqueFd(pair[0]);
    const UniqueFd its_own(pair[1]);
    if (pidfd_) {
        siginfo_t ended{};
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ended, WEXITED | WNOHANG);
    }
    pidfd_ = spawn({.program = program_beside("drydock-shim"),
                    .arguments = {"--zygote"},
                    .stdin_fd = its_own.get(),
                    .own_session = true})
                 .pidfd;
}

ShimZygote::Shim ShimZygote::fork_shim(const ShimRequest& request, int control, int report) {
    send_to_zygote(socket_.get(), zygote_request(options_of(request)), {control, report});
    auto answer = receive_at_zygote(socket_.get());
    Shim shim;
    if (!answer || answer->fds.size() != 1 || answer->text.size() != sizeof shim.pid) {
        throw std::system_error(std::make_error_code(std::errc::connection_aborted), "zygote");
    }
    std::memcpy(&shim.pid, answer->text.data(), sizeof shim.pid);
    shim.pidfd = std::move(answer->fds.front());
    return shim;
}

StartedContainer ShimZygote::start(ShimRequest request) {
    ShimLines lines = make_shim_lines();
    Shim shim;
    {
        const std::lock_guard lock(mutex_);
        for (int tries = 0; tries < 2 && shim.pid == 0; ++tries) {
            try {
                shim = fork_shim(request, lines.its_control.get(), lines.report.write.get());
            } catch (const std::system_error&) {
                launch();  // somebody killed it
            }
        }
    }
    if (shim.pid == 0) {
        return start_shim(std::move(request));
    }
    return finish_start(std::move(lines), std::move(request.attachments), shim.pid,
                        std::move(shim.pidfd), false);
}

// [region: zygote]
int run_shim_zygote() {
    // Nobody waits for a shim here: the kernel takes its status, its pidfd tells who asked for it.
    static_cast<void>(std::signal(SIGCHLD, SIG_IGN));
    while (const auto request = receive_at_zygote(0)) {
        if (request->fds.size() != 2) {
            throw InputError("zygote: a request without its two descriptors");
        }
        Child shim = clone_child(0);
        if (!shim) {
            be_shim(request->text, request->fds[0].get(), request->fds[1].get());
        }
        const pid_t pid = shim.pid();
        send_to_zygote(0, {reinterpret_cast<const char*>(&pid), sizeof pid}, {shim.pidfd()});
        shim.release();
    }
    return 0;
}
// [/region]

}  // namespace drydock
