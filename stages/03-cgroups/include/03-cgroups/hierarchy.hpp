#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/cgroup_statistics.hpp"
#include "03-cgroups/devices.hpp"
#include "03-cgroups/limits.hpp"
#include "03-cgroups/oom_events.hpp"

namespace drydock {

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

    /// Writes those of the limits that are given, all of them or, when one fails, none.
    /// @param fresh nobody has been in the group yet, and it goes away after a failure
    /// @return a warning for each that was asked for and has no effect on this kernel
    /// @throws InputError when this machine offers no controller for one that is asked for;
    /// std::system_error with file and value
    virtual std::vector<std::string> set(const Limits& limits, bool fresh) = 0;
    /// From here on the rules decide, and those set before no longer do. It does nothing where
    /// nobody may: then no device node can be made either.
    virtual void set_devices(std::span<const DeviceRule> rules) = 0;
    /// The directory of cgroup v2 that a child can be born into with CLONE_INTO_CGROUP; -1 where
    /// there is none. join(true) does what is left to do then.
    [[nodiscard]] virtual int clone_fd() const = 0;
    /// Moves the calling process, which must have one thread, into the group.
    /// @param born_inside it was cloned into clone_fd()
    virtual void join(bool born_inside) = 0;
    /// SIGKILLs every process of the group, those born meanwhile and those that are frozen too.
    /// Nothing there is fine.
    virtual void kill() = 0;
    /// Stops every process of the group where it is. It runs again when this fails.
    /// @throws std::system_error ETIMEDOUT; InputError where no freezer can be had
    virtual void freeze() = 0;
    virtual void thaw() = 0;
    [[nodiscard]] virtual bool frozen() const = 0;
    /// The processes in it and in the groups below it, in ascending order.
    [[nodiscard]] virtual std::vector<pid_t> pids() const = 0;
    /// Whether a process is in it, or in a group below it.
    [[nodiscard]] virtual bool populated() const = 0;
    [[nodiscard]] virtual CgroupStatistics statistics() const = 0;
    /// Processes of the group that the kernel killed for want of memory; the one figure of
    /// statistics() that every end of a container asks for.
    [[nodiscard]] virtual std::int64_t oom_kills() const = 0;
    [[nodiscard]] virtual OomEvents oom_events() const = 0;
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
    /// Hybrid: the v2 tree beside v1's. Groups in it are killed and frozen at once, and limited by
    /// what it offers ("hugetlb"); "" elsewhere.
    std::filesystem::path unified{};
};

/// Looks at what is mounted at `root`. Only directories whose file system magic is a cgroup's
/// count.
Hierarchy find_hierarchy(const std::filesystem::path& root = "/sys/fs/cgroup");

/// Where a group lies in its tree.
struct GroupPlace {
    std::string path{};      ///< below the tree's root, no leading "/": "drydock/ID"
    bool below_own = false;  ///< v1: below our own group instead of the tree's root. v2: below the
                             ///< nearest group above ours that is delegated to us
};

/// Makes the group, or takes over the one that is there when nobody is in it.
/// @throws std::system_error EACCES, EPERM, EROFS: no group can be had there; InputError when it is
/// in use
std::unique_ptr<Group> make_group(const Hierarchy& hierarchy, const GroupPlace& place);
/// The group that is there already, or what is left of it; null when nothing is.
std::unique_ptr<Group> open_group(const Hierarchy& hierarchy, const GroupPlace& place);

}  // namespace drydock
