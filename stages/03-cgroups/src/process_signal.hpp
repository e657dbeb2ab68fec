#pragma once

#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

/// Signals the process that `who` says and no later one with its pid. @return false when it has
/// ended
bool signal_process(const ProcessIdentity& who, int signal);

/// Signals the process `pid` if it still is one of `cgroup`'s.
void signal_process_in(const Cgroup& cgroup, pid_t pid, int signal);

}  // namespace drydock
