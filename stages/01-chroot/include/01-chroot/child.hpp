#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Owns a child process that nobody has reaped yet. Signals and waiting go through its pidfd, so
/// they never reach a stranger that was given the same pid later.
class Child {
  public:
    Child() noexcept = default;
    Child(pid_t pid, UniqueFd pidfd) noexcept;
    /// Kills (SIGKILL) and reaps it.
    ~Child();
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return pid_ > 0; }
    /// For messages and for files named after it; signals go through signal().
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }

    /// @throws std::system_error; ESRCH when it has ended
    void signal(int number) const;
    /// Reaps it; empty afterwards.
    /// @return its exit status, 128 + n if signal n ended it (exit_status.hpp)
    int wait();
    /// Gives it up: it lives on without an owner. Empty afterwards.
    void release() noexcept;

  private:
    pid_t pid_ = 0;
    UniqueFd pidfd_{};
};

/// Makes a child that goes on from here with a copy of everything, in the new namespaces `flags`
/// asks for (CLONE_NEW* of clone(2); 0 for none). Returns twice, as fork(2) does: in the child the
/// result is empty. The caller must have one thread only: a copy of another thread's held lock is
/// never released.
/// @param cgroup a directory of cgroup v2 for the child to be born into; -1: its parent's
/// @throws std::system_error EPERM (namespaces need CAP_SYS_ADMIN or CLONE_NEWUSER), EAGAIN, ENOSPC
/// @see    clone(2), "clone3"
Child clone_child(std::uint64_t flags, int cgroup = -1);

/// A pidfd of the process `pid`; empty when there is none. It may be a later process with that pid,
/// unless it is a child of ours that we have not reaped.
UniqueFd open_pidfd(pid_t pid);

/// The names of the CLONE_* bits in `flags`: "CLONE_NEWPID|CLONE_NEWNS", "0".
std::string clone_flag_names(std::uint64_t flags);

}  // namespace drydock
