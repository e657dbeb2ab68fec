#pragma once

#include <filesystem>
#include <string>

namespace drydock {

enum class Deletion {
    OfStopped,  ///< refuses one that runs
    Forced,     ///< kills first; what is not there is fine
};
/// Removes the cgroup, with whatever runs in it, and the state; then the hooks "poststop" run.
/// @see OCI runtime-spec, runtime.md, "Delete"
void delete_container(const std::filesystem::path& root, const std::string& id, Deletion deletion);

}  // namespace drydock
