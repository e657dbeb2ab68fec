#include "cgroup_mount.hpp"

#include <sys/mount.h>

#include <set>

#include "cgroup_v1.hpp"

namespace fs = std::filesystem;

namespace drydock {

std::vector<MountSpec> cgroup_mounts(const MountSpec& asked, const Hierarchy& hierarchy) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (hierarchy.kind == HierarchyKind::None) {
        return {};
    }
    if (hierarchy.kind == HierarchyKind::V2) {
        return {{.source = "cgroup",
                 .target = asked.target,
                 .type = "cgroup2",
                 .flags = kFlags | MS_RDONLY}};
    }
    std::vector<MountSpec> mounts = {{.source = "tmpfs",
                                      .target = asked.target,
                                      .type = "tmpfs",
                                      .flags = kFlags,
                                      .data = "mode=755,size=64k"}};
    std::set<std::string> names;
    for (const std::string& controller : hierarchy.controllers) {
        // Of a tree in which the container has no group of its own it would see the host's, with
        // its release_agent (CVE-2022-0492).
        if (!is_in_every_group_v1(controller)) {
            continue;
        }
        // Mounted together on the host, together here: "cpu,cpuacct".
        names.insert(fs::canonical(hierarchy.root / controller).filename().native());
    }
    for (const std::string& name : names) {
        mounts.push_back({.source = "cgroup",
                          .target = asked.target / name,
                          .type = "cgroup",
                          .flags = kFlags | MS_RDONLY,
                          .data = name});
    }
    return mounts;
}

}  // namespace drydock
