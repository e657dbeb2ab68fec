#include "01-chroot/child.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/exit_status.hpp"

namespace drydock {
namespace {

struct FlagName {
    std::uint64_t bit;
    const char* name;
};
constexpr std::array kFlagNames = {
    FlagName{CLONE_NEWUSER, "CLONE_NEWUSER"},     FlagName{CLONE_NEWPID, "CLONE_NEWPID"},
    FlagName{CLONE_NEWNS, "CLONE_NEWNS"},         FlagName{CLONE_NEWUTS, "CLONE_NEWUTS"},
    FlagName{CLONE_NEWIPC, "CLONE_NEWIPC"},       FlagName{CLONE_NEWNET, "CLONE_NEWNET"},
    FlagName{CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, FlagName{CLONE_NEWTIME, "CLONE_NEWTIME"},
};

siginfo_t reap(int pidfd, pid_t pid) {
    siginfo_t ended{};
    int rc = -1;
    do {
        rc = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ended, WEXITED);
    } while (rc == -1 && errno == EINTR);
    check(rc, "waitid(P_PIDFD of pid {})", pid);
    return ended;
}

}  // namespace

Child::Child(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

Child::~Child() {
    if (pid_ > 0) {
        ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
        siginfo_t ended{};
        while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ended, WEXITED) == -1 &&
               errno == EINTR) {
        }
    }
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), pidfd_(std::move(other.pidfd_)) {}

Child& Child::operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    return *this;
}

void Child::signal(int number) const {
    check(::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0),
          "pidfd_send_signal(pidfd of pid {}, sig={})", pid_, number);
}

int Child::wait() {
    const siginfo_t ended = reap(pidfd_.get(), pid_);
    pid_ = 0;
    pidfd_ = UniqueFd();
    return exit_status_of(ended);
}

void Child::release() noexcept {
    pid_ = 0;
    pidfd_ = UniqueFd();
}

UniqueFd open_pidfd(pid_t pid) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// [region: clone-child]
Child clone_child(std::uint64_t flags, int cgroup) {
    int pidfd = -1;
    clone_args args{};
    args.flags = flags | CLONE_PIDFD;  // close-on-exec by itself
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;  // Linux 5.7; moving a process there later is far slower
        args.cgroup = static_cast<std::uint64_t>(cgroup);
    }
    // Not fork(2): only clone3 gives the namespaces and a pidfd in the same call, before the child
    // can end.
    const long pid =
        check(::syscall(SYS_clone3, &args, sizeof args), "clone3(flags=CLONE_PIDFD|{}{})",
              cgroup >= 0 ? "CLONE_INTO_CGROUP|" : "", clone_flag_names(flags));
    return pid == 0 ? Child() : Child(static_cast<pid_t>(pid), UniqueFd(pidfd));
}
// [/region]

std::string clone_flag_names(std::uint64_t flags) {
    std::string names;
    for (const auto& [bit, name] : kFlagNames) {
        if ((flags & bit) != 0) {
            names += names.empty() ? "" : "|";
            names += name;
        }
    }
    return names.empty() ? "0" : names;
}

}  // namespace drydock
