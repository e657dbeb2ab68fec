#pragma once

#include <filesystem>
#include <string>

namespace drydock {

/// The command of a created container runs afterwards, or the hooks before it or its execve failed:
/// then the container is stopped.
/// @throws InputError for any other state; SetupError with what failed inside
/// @see OCI runtime-spec, runtime.md, "Start"
void start_container(const std::filesystem::path& root, const std::string& id);

}  // namespace drydock
