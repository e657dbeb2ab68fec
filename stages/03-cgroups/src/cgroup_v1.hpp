#pragma once

#include <memory>

#include "03-cgroups/hierarchy.hpp"

namespace drydock {

/// A directory in the tree of each controller of cgroup v1. @see cgroups(7), "CGROUPS VERSION 1"
std::unique_ptr<Group> make_group_v1(const Hierarchy& hierarchy, const GroupPlace& place);
std::unique_ptr<Group> open_group_v1(const Hierarchy& hierarchy, const GroupPlace& place);

}  // namespace drydock
