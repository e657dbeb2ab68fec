#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/devices.hpp"
#include "03-cgroups/limits.hpp"

namespace drydock {

/// What a group has used and suffered so far. -1: this kernel does not say.
struct CgroupStatistics {
    std::int64_t memory_bytes = -1;
    std::int64_t memory_peak_bytes = -1;
    std::int64_t oom_kills =
        0;  ///< processes of the group that the kernel killed for want of memory
    std::int64_t cpu_ns = -1;
    std::int64_t throttled_periods =
        -1;  ///< CPU periods in which the group had to stop at its quota
    std::int64_t pids = -1;
};

/// One container's group, in whatever form the kernel keeps it. The seam of this stage:
/// cgroup_v2.cpp, cgroup_v1.cpp.
class Group {
  public:
    Group() = default;
    virtual ~Group() = default;
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    Group(Group&&) = delete;
    Group& operator=(Group&&) = delete;

    /// Writes the limits. @throws InputError when this machine offers no controller for one that is
    /// asked for
    virtual void set(const Limits& limits) = 0;
    /// Applies the rules in order. It does nothing where nobody may: then no device node can be
    /// made either.
    virtual void set_devices(std::span<const DeviceRule> rules) = 0;
    /// Moves the calling process, which must have one thread, into the group.
    virtual void join() = 0;
    /// SIGKILLs every process of the group, those born meanwhile too. Nothing there is fine.
    virtual void kill() = 0;
    /// Whether a process is in it, or in a group below it.
    [[nodiscard]] virtual bool populated() const = 0;
    [[nodiscard]] virtual CgroupStatistics statistics() const = 0;
    /// Every directory it is made of.
    [[nodiscard]] virtual std::vector<std::filesystem::path> directories() const = 0;
};

/// How this machine keeps its cgroups.
enum class HierarchyKind {
    None,    ///< no cgroup file system at /sys/fs/cgroup
    V1,      ///< a tree for each controller
    Hybrid,  ///< the same, and a v2 tree that has few controllers or none
    V2,      ///< one tree
};
std::string_view to_text(HierarchyKind kind);

/// Where cgroups are mounted and how.
struct Hierarchy {
    HierarchyKind kind = HierarchyKind::None;
    std::filesystem::path root = "/sys/fs/cgroup";
    std::vector<std::string>
        controllers{};  ///< of those that Drydock knows: "memory", "cpu", "pids", "cpuset", ...
};

/// Looks at what is mounted at `root`. Only directories whose file system magic is a cgroup's
/// count.
Hierarchy find_hierarchy(const std::filesystem::path& root = "/sys/fs/cgroup");

/// Where a group lies in its tree.
struct GroupPlace {
    std::string path{};      ///< below the tree's root, no leading "/": "drydock/ID"
    bool below_own = false;  ///< below our own group instead of the tree's root
};

/// Makes the group, or takes over the one that is there when nobody is in it.
/// @throws std::system_error EACCES, EPERM, EROFS: no group can be had there; InputError when it is
/// in use
std::unique_ptr<Group> make_group(const Hierarchy& hierarchy, const GroupPlace& place);
/// The group that is there already, or what is left of it; null when nothing is.
std::unique_ptr<Group> open_group(const Hierarchy& hierarchy, const GroupPlace& place);

}  // namespace drydock
