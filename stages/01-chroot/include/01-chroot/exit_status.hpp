#pragma once

#include <csignal>

namespace drydock {

// What the programs of Drydock end with when the command's own status cannot be had; the convention
// of chroot(1), env(1) and docker run.
inline constexpr int kSetupFailed = 125;    ///< the command was never reached
inline constexpr int kNotExecutable = 126;  ///< the command is there but cannot be run
inline constexpr int kNotFound = 127;       ///< the command is not there

/// The exit status for a child that ended: its own 0 to 255, or 128 + n if signal n ended it.
/// @param ended as filled in by waitid(2) with WEXITED
int exit_status_of(const siginfo_t& ended) noexcept;

/// The exit status for an execve that failed with `error`: kNotFound or kNotExecutable.
int exit_status_of_exec_error(int error) noexcept;

}  // namespace drydock
