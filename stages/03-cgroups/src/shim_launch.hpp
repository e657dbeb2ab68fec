#pragma once

#include "03-cgroups/shim.hpp"
#include "03-cgroups/shim_process.hpp"

namespace drydock {

/// The two lines to a shim that is to be started: its standard input, on which it gets those who
/// are attached already (shim_protocol.hpp), and its standard output, on which it reports
/// (shim_report.hpp).
struct ShimLines {
    UniqueFd control{};
    UniqueFd its_control{};
    Pipe report{};
};
ShimLines make_shim_lines();

/// Once there is such a process, with the other ends of the lines: lets it begin, and waits for its
/// report.
/// @param pid of the shim; @param pidfd of it; @param reap whether it is our child
/// @throws SetupError when the container could not be started
StartedContainer finish_start(ShimLines lines, std::vector<Attachment> attachments, pid_t pid,
                              UniqueFd pidfd, bool reap);

/// The request as the shim's own options.
ShimOptions options_of(const ShimRequest& request);

}  // namespace drydock
