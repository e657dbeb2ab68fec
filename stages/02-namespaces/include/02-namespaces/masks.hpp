#pragma once

#include <span>
#include <string>
#include <vector>

namespace drydock {

/// Files and directories of /proc and /sys that tell about the host what is none of a container's
/// business.
std::vector<std::string> default_masked_paths();
/// Those it may read, but not write: they change the host.
std::vector<std::string> default_readonly_paths();

/// Each of `paths` that exists is empty afterwards: a file reads as /dev/null, a directory has no
/// entries. To be called with the container's root as "/".
/// @throws std::system_error; SetupError when /dev/null is not the null device
/// @see OCI runtime-spec, config-linux.md, "Masked Paths"
void mask_paths(std::span<const std::string> paths);

/// Nothing at or below each of `paths` that exists can be written afterwards.
/// @see OCI runtime-spec, config-linux.md, "Readonly Paths"
void make_paths_readonly(std::span<const std::string> paths);

}  // namespace drydock
