#pragma once

#include <vector>

#include "02-namespaces/mount.hpp"
#include "03-cgroups/hierarchy.hpp"

namespace drydock {

/// The mounts that a mount of type "cgroup" stands for: one on v2, a tmpfs with one for each
/// controller of v1 in which a container has a group. Always read-only: a container that can write
/// to its own group changes its own limits (CVE-2022-0492).
/// @see OCI runtime-spec, config-linux.md, "Control groups"
std::vector<MountSpec> cgroup_mounts(const MountSpec& asked, const Hierarchy& hierarchy);

}  // namespace drydock
