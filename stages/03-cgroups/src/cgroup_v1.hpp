#pragma once

#include <memory>
#include <string_view>

#include "03-cgroups/hierarchy.hpp"

namespace drydock {

/// A directory in the tree of each controller of cgroup v1. @see cgroups(7), "CGROUPS VERSION 1"
std::unique_ptr<Group> make_group_v1(const Hierarchy& hierarchy, const GroupPlace& place);
std::unique_ptr<Group> open_group_v1(const Hierarchy& hierarchy, const GroupPlace& place);

/// Whether every group that Drydock makes has a directory in this controller's tree. In the others
/// a process may be in the tree's root, which nobody but the host may see.
bool is_in_every_group_v1(std::string_view controller);

}  // namespace drydock
