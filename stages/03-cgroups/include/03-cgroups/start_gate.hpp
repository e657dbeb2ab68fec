#pragma once

#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

// Between `create` and `start` a container's first process waits at a socket in the container's
// directory: it has everything but its command. A socket, where other runtimes have a fifo: what
// comes back is whether the command runs, or else why not.

inline constexpr const char* kStartGate = "start.sock";

/// Listens at kStartGate in the directory `container`: for stage03::Options::start_gate.
UniqueFd make_start_gate(int container);

/// Lets who waits at the gate go on, and waits for its execve. The gate is gone afterwards.
/// @throws InputError when nobody waits there; SetupError with what failed inside
void open_start_gate(int container, const std::string& id);

}  // namespace drydock
