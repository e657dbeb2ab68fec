#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace drydock {

/// The lines that ps(1) of the host prints for `pids`, its head with them.
/// @param arguments for ps; empty: "-ef". One of its columns must be the pid
/// @throws InputError when there is no ps, or it prints no pid
std::string process_table(std::span<const pid_t> pids, const std::vector<std::string>& arguments);

}  // namespace drydock
