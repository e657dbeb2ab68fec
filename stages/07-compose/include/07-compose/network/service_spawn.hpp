#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace drydock {

/// Starts a program of ours that outlives the daemon: in a session of its own, with no signal
/// blocked, `input` as its standard input, and nothing else of ours open.
/// @param program "drydock-proxy"
/// @throws SetupError
pid_t spawn_service(const std::string& program, const std::vector<std::string>& arguments,
                    int input);

}  // namespace drydock
