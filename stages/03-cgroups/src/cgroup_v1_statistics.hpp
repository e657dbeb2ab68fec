#pragma once

#include <functional>
#include <string_view>

#include "03-cgroups/cgroup_statistics.hpp"

#include "cgroup_directory.hpp"

namespace drydock {

/// @param directory_of  a controller's directory; null where there is none
/// @param unified       on a hybrid the group in the v2 tree; null elsewhere
CgroupStatistics statistics_v1(
    const std::function<const CgroupDirectory*(std::string_view)>& directory_of,
    const CgroupDirectory* unified);

}  // namespace drydock
