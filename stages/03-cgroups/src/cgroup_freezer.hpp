#pragma once

#include "cgroup_directory.hpp"

namespace drydock {

// Stopping a group where it is. What cannot be stopped in time runs again: nobody may be left half
// frozen.

/// v1: the freezer controller. @see the kernel's cgroup-v1/freezer-subsystem.rst
/// @throws std::system_error ETIMEDOUT
void freeze_v1(const CgroupDirectory& directory);
void thaw_v1(const CgroupDirectory& directory);
bool is_frozen_v1(const CgroupDirectory& directory);

/// v2: every group has it, since Linux 5.2. @see the kernel's cgroup-v2.rst, "cgroup.freeze"
/// @throws std::system_error ETIMEDOUT
void freeze_v2(const CgroupDirectory& directory);
void thaw_v2(const CgroupDirectory& directory);
bool is_frozen_v2(const CgroupDirectory& directory);

}  // namespace drydock
