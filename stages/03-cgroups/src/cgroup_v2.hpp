#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "03-cgroups/hierarchy.hpp"

#include "cgroup_directory.hpp"

namespace drydock {

/// One directory in the one tree of cgroup v2. @see cgroups(7), "CGROUPS VERSION 2"; the kernel's
/// cgroup-v2.rst
std::unique_ptr<Group> make_group_v2(const Hierarchy& hierarchy, const GroupPlace& place);
std::unique_ptr<Group> open_group_v2(const Hierarchy& hierarchy, const GroupPlace& place);

/// SIGKILLs everybody in the group and in those below it at once, forks in flight and the frozen
/// too. Nothing there is fine.
void kill_v2(const CgroupDirectory& directory);

/// Has every group from `base` down to the parent of `path` pass `controller` on to those below
/// it, as far as that goes: who needs it finds out when its files are missing.
void delegate_controller(const std::filesystem::path& base, const std::filesystem::path& path,
                         const std::string& controller);

}  // namespace drydock
