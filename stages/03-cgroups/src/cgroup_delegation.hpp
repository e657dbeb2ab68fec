#pragma once

#include <filesystem>
#include <vector>

namespace drydock {

// The part of a v2 tree in which we may make groups. systemd gives such a part to a unit with
// Delegate=yes and to each user's manager, and asks everybody else to stay out of its tree.
// @see systemd's CGROUP_DELEGATION.md; the kernel's cgroup-v2.rst, "Delegation"

/// Our own group in the tree at `root` and those above it as far as we may make groups in them, the
/// nearest first; our own alone where we may nowhere.
std::vector<std::filesystem::path> delegated_groups(const std::filesystem::path& root);

/// The nearest of them that has no processes of its own, for a group that has some cannot pass
/// controllers on to those below it; where all have, the nearest.
std::filesystem::path delegated_group(const std::filesystem::path& root);

/// Whether systemd keeps this machine's cgroups, and has given the group that we are in away.
/// @param systemd where it shows that it runs
bool lives_in_delegated_group(const std::filesystem::path& root,
                              const std::filesystem::path& systemd = "/run/systemd/system");

}  // namespace drydock
