#include "process_signal.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"

namespace drydock {
namespace {

/// @return false when it has ended
bool signal_pidfd(const UniqueFd& pidfd, pid_t pid, int signal) {
    const long rc = ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
    if (rc == -1 && errno == ESRCH) {
        return false;
    }
    check(rc, "pidfd_send_signal(pidfd of pid {}, sig={})", pid, signal);
    return true;
}

}  // namespace

bool signal_process(const ProcessIdentity& who, int signal) {
    const UniqueFd pidfd = who.pid > 0 ? open_pidfd(who.pid) : UniqueFd();
    // Only now: what the pid meant before it was opened says nothing about what was opened.
    return pidfd && alive(who) && signal_pidfd(pidfd, who.pid, signal);
}

void signal_process_in(const Cgroup& cgroup, pid_t pid, int signal) {
    const UniqueFd pidfd = open_pidfd(pid);
    if (pidfd && std::ranges::count(cgroup.pids(), pid) != 0) {
        signal_pidfd(pidfd, pid, signal);
    }
}

}  // namespace drydock
