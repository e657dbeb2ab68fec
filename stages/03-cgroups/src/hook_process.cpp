#include "hook_process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (const std::string& text : texts) {
        result.push_back(const_cast<char*>(text.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

[[noreturn]] void become_hook(const oci::Hook& hook, int input) noexcept {
    const std::vector<std::string> args =
        hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
    sigset_t none{};
    sigemptyset(&none);
    static_cast<void>(::sigprocmask(SIG_SETMASK, &none, nullptr));
    static_cast<void>(::setsid());  // so that a timeout ends what it started as well
    static_cast<void>(::dup2(input, 0));
    static_cast<void>(::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
    ::execve(hook.path.c_str(), pointers_to(args).data(), pointers_to(hook.env).data());
    ::_exit(exit_status_of_exec_error(errno));
}

[[noreturn]] void throw_hook_failed(std::string_view kind, const oci::Hook& hook,
                                    const std::string& what) {
    throw SetupError(fmt::format("hook {} {}: {}", kind, hook.path, what),
                     std::error_code(ECANCELED, std::generic_category()), kSetupFailed);
}

void run_hook(std::string_view kind, const oci::Hook& hook, const std::string& state) {
    Pipe input = make_pipe();
    // More than a pipe holds would wait for a hook that does not read.
    constexpr int kLargest = 1 << 20;
    static_cast<void>(::fcntl(input.write.get(), F_SETPIPE_SZ, kLargest));
    Child child = clone_child(0);
    if (!child) {
        become_hook(hook, input.read.get());
    }
    input.read.close();
    static_cast<void>(::fcntl(input.write.get(), F_SETFL, O_NONBLOCK));
    // One that does not care closes its end.
    static_cast<void>(!::write(input.write.get(), state.data(), state.size()));
    input.write.close();
    pollfd ended{.fd = child.pidfd(), .events = POLLIN, .revents = 0};
    constexpr int kMillisecond = 1000;
    const int timeout = hook.timeout ? *hook.timeout * kMillisecond : -1;
    int rc = 0;
    do {
        rc = ::poll(&ended, 1, timeout);
    } while (rc == -1 && errno == EINTR);
    if (check(rc, "poll(pidfd of hook {})", hook.path) == 0) {
        ::kill(-child.pid(), SIGKILL);  // its session's group: the child is not reaped yet
        throw_hook_failed(kind, hook, fmt::format("no end after {} s", *hook.timeout));
    }
    if (const int status = child.wait(); status != 0) {
        throw_hook_failed(kind, hook, fmt::format("exit status {}", status));
    }
}

}  // namespace

void run_hooks(std::string_view kind, std::span<const oci::Hook> hooks, const std::string& state) {
    for (const oci::Hook& hook : hooks) {
        run_hook(kind, hook, state);
    }
}

std::string run_late_hooks(std::string_view kind, std::span<const oci::Hook> hooks,
                           const std::string& state) {
    std::string failures;
    for (const oci::Hook& hook : hooks) {
        try {
            run_hook(kind, hook, state);
        } catch (const std::exception& e) {
            failures += fmt::format("{}{}", failures.empty() ? "" : "; ", e.what());
        }
    }
    return failures;
}

}  // namespace drydock
