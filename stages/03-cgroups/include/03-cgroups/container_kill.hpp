#pragma once

#include <filesystem>
#include <string>

namespace drydock {

/// "TERM", "SIGTERM", "15". @throws InputError
int signal_number(const std::string& text);

/// Sends it to the first process. @throws InputError when the container is neither created nor
/// running
/// @see OCI runtime-spec, runtime.md, "Kill"
void kill_container(const std::filesystem::path& root, const std::string& id, int signal);
/// Sends it to every process of the container's cgroup; a stopped container may have some left.
void kill_all_of_container(const std::filesystem::path& root, const std::string& id, int signal);

}  // namespace drydock
