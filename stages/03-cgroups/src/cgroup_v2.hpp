#pragma once

#include <memory>

#include "03-cgroups/hierarchy.hpp"

namespace drydock {

/// One directory in the one tree of cgroup v2. @see cgroups(7), "CGROUPS VERSION 2"; the kernel's
/// cgroup-v2.rst
std::unique_ptr<Group> make_group_v2(const Hierarchy& hierarchy, const GroupPlace& place);
std::unique_ptr<Group> open_group_v2(const Hierarchy& hierarchy, const GroupPlace& place);

}  // namespace drydock
