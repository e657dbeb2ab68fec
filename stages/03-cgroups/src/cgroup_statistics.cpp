#include "03-cgroups/cgroup_statistics.hpp"

#include "01-chroot/error.hpp"

namespace drydock {

std::string to_json(const CgroupStatistics& /*statistics*/) {
    throw NotImplemented("statistics as JSON");
}

}  // namespace drydock
