#pragma once

#include <map>
#include <string>
#include <vector>

#include "03-cgroups/cgroup_statistics.hpp"

#include "cgroup_directory.hpp"

namespace drydock {

CgroupStatistics statistics_v2(const CgroupDirectory& directory);

/// What a group in a v2 tree says that v1's do not.
void add_hugetlb_v2(const CgroupDirectory& directory, CgroupStatistics& statistics);
void add_pressure(const CgroupDirectory& directory, CgroupStatistics& statistics);

/// Lines of "name number".
std::map<std::string, std::int64_t> numbers_by_name(const std::string& text);
/// -1 when it is not there.
std::int64_t number_named(const std::map<std::string, std::int64_t>& numbers,
                          const std::string& name);
/// The sizes of huge pages that this kernel has, as cgroups write them: "2MB", "1GB".
std::vector<std::string> huge_page_sizes();

}  // namespace drydock
