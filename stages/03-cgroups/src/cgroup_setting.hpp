#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/limits.hpp"

#include "cgroup_directory.hpp"

namespace drydock {

// From limits to files: which file of a group gets which text. Pure functions, one for each
// version of cgroups, and the one place that writes what they say.

/// One text for one file of a group, and the limit that asks for it.
struct CgroupSetting {
    std::string controller{};  ///< "memory"
    std::string file{};        ///< "memory.max"
    std::string value{};
    std::string what{};     ///< for errors: "memory limit"
    std::string nothing{};  ///< of a file with a line for each device: what takes a line away
    bool if_there = false;  ///< not every kernel has the file, and it is well without
};

struct CgroupSettings {
    std::vector<CgroupSetting> list{};    ///< in the order in which the kernel takes them
    std::vector<std::string> warnings{};  ///< what has no effect there

    CgroupSetting& put(const char* controller, std::string file, std::string value,
                       const char* what);
};

/// What the settings depend on beside the limits.
struct CgroupFacts {
    std::int64_t memory_limit_bytes = -1;  ///< as it is now; -1: none
    bool counts_swap = true;               ///< the kernel was built and told to
    bool has_swap = true;                  ///< there is swap space on this machine now
    bool has_bfq = false;                  ///< weights of I/O are those of the BFQ scheduler
};

CgroupSettings settings_v1(const Limits& limits, const CgroupFacts& facts);
CgroupSettings settings_v2(const Limits& limits, const CgroupFacts& facts);

/// As both versions' rdma.max takes it: "mlx5_1 hca_handle=2 hca_object=max".
std::string rdma_text(const RdmaLimit& limit);

/// Whether /proc/meminfo counts any swap space.
bool machine_has_swap();

/// @throws InputError when a memory limit is below what is in use
void refuse_below_use(std::int64_t limit_bytes, std::int64_t used_bytes);

/// Writes settings, and unless keep() is called puts back what was there.
class CgroupChanges {
  public:
    /// @param fresh the group is new and goes away after a failure: nothing has to be put back
    explicit CgroupChanges(bool fresh) noexcept : fresh_(fresh) {}
    ~CgroupChanges();
    CgroupChanges(const CgroupChanges&) = delete;
    CgroupChanges& operator=(const CgroupChanges&) = delete;
    CgroupChanges(CgroupChanges&&) = delete;
    CgroupChanges& operator=(CgroupChanges&&) = delete;

    /// @pre `directory` stays open as long as this object lives
    /// @throws InputError naming the limit when the kernel has no such file or does not take the
    /// value
    void write(const CgroupDirectory& directory, const CgroupSetting& setting);
    void keep() noexcept { before_.clear(); }

  private:
    struct Before {
        int directory = -1;
        std::string file{};
        std::string value{};
    };

    bool fresh_;
    std::vector<Before> before_{};
};

}  // namespace drydock
