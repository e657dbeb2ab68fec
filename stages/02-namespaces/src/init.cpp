#include "02-namespaces/init.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

/// Reaps what has ended. @return whether `command` was among it, and then its exit status in
/// `status`
bool reap(pid_t command, int& status) noexcept {
    bool command_ended = false;
    int ended_as = 0;
    while (const pid_t pid = ::waitpid(-1, &ended_as, WNOHANG)) {
        if (pid == -1) {
            break;
        }
        if (pid == command) {
            command_ended = true;
            status = WIFEXITED(ended_as) ? WEXITSTATUS(ended_as) : 128 + WTERMSIG(ended_as);
        }
    }
    return command_ended;
}

// [region: init-loop]
[[noreturn]] void serve_as_init(pid_t command, const sigset_t& all) noexcept {
    while (true) {
        siginfo_t info{};
        const int number = ::sigwaitinfo(&all, &info);
        int status = 0;
        if (number == SIGCHLD && reap(command, status)) {
            ::_exit(status);
        }
        if (number > 0 && number != SIGCHLD) {
            // It may have ended and wait for us to reap it; then this does nothing.
            static_cast<void>(::kill(command, number));
        }
    }
}
// [/region]

}  // namespace

void become_init(Walk& walk) {
    sigset_t all{};
    sigfillset(&all);
    // Before the fork, so that no SIGCHLD is lost. The command gets the mask back that we were
    // started with.
    check(::sigprocmask(SIG_BLOCK, &all, nullptr), "sigprocmask(SIG_BLOCK, all)");
    const pid_t command = check(::fork(), "fork()");
    if (command == 0) {
        return;
    }
    // Nothing of the host may stay open in a process that the container's processes can see, and
    // the reader of a pipe waits for its last writer.
    walk.leave();
    static_cast<void>(::syscall(SYS_close_range, 0U, ~0U, 0U));
    // Not dumpable: our /proc/1/exe is the host's program, and nobody inside may open it
    // (CVE-2019-5736).
    static_cast<void>(::prctl(PR_SET_DUMPABLE, 0));
    serve_as_init(command, all);
}

void become_undumpable() {
    check(::prctl(PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE, 0)");
}

void leave_terminal() {
    check(::setsid(), "setsid()");
}

}  // namespace drydock
