#pragma once

#include <sys/types.h>

#include <string>

namespace drydock {

/// What a seccomp agent is told about a container whose calls it is to decide about.
/// @param pid   the process, as the host counts
/// @param state the container's, as JSON
/// @see OCI runtime-spec, config-linux.md, "The Container Process State"
std::string seccomp_agent_message(pid_t pid, const std::string& metadata, const std::string& state);

/// Sends the message, and `listener` with it. @see seccomp_unotify(2), unix(7), SCM_RIGHTS
void send_to_seccomp_agent(int socket, const std::string& message, int listener);

/// Our own pid as the host counts. To be called while /proc is the host's.
pid_t pid_on_host();

}  // namespace drydock
