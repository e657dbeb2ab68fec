#pragma once

#include "01-chroot/walk.hpp"

namespace drydock {

/// The step "init", the last before exec: returns in a new process, PID 2, that goes on to become
/// the command. The caller, PID 1, stays behind as the namespace's init: reaps every orphan, passes
/// signals on to PID 2, and ends with PID 2's exit status, which ends everything else in the PID
/// namespace.
/// @see pid_namespaces(7), "The namespace init process"
void become_init(Walk& walk);

/// Nobody but those with CAP_SYS_PTRACE may look into this process from now on, until its execve:
/// its memory, /proc/PID/exe and /proc/PID/fd are the host's.
/// @see prctl(2), PR_SET_DUMPABLE; CVE-2016-9962
void become_undumpable();

/// Makes this process the leader of a new session without a terminal: Ctrl-C reaches it through who
/// started it, once, and it cannot push characters into the terminal of the host (TIOCSTI).
/// @see setsid(2)
void leave_terminal();

}  // namespace drydock
