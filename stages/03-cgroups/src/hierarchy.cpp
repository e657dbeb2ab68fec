#include "03-cgroups/hierarchy.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "cgroup_directory.hpp"
#include "cgroup_v1.hpp"
#include "cgroup_v2.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::array kControllers = {"memory",  "cpu",      "cpuacct", "pids", "cpuset",
                                     "devices", "freezer",  "blkio",   "io",   "hugetlb",
                                     "net_cls", "net_prio", "rdma"};

bool is_v2(const fs::path& path) {
    struct statfs status{};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

bool is_v1(const fs::path& path) {
    struct statfs status{};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == CGROUP_SUPER_MAGIC;
}

Hierarchy find_v2(const fs::path& root) {
    Hierarchy found{.kind = HierarchyKind::V2, .root = root};
    std::istringstream names(
        read_value(open_cgroup_directory(root), "cgroup.controllers").value_or(""));
    for (std::string name; names >> name;) {
        if (std::ranges::find(kControllers, name) != kControllers.end()) {
            found.controllers.push_back(name);
        }
    }
    return found;
}

}  // namespace

std::string_view to_text(HierarchyKind kind) {
    constexpr std::array<std::string_view, 4> kNames = {"none", "v1", "hybrid", "v2"};
    return kNames.at(static_cast<std::size_t>(kind));
}

Hierarchy find_hierarchy(const fs::path& root) {
    if (is_v2(root)) {
        return find_v2(root);
    }
    Hierarchy found{.root = root};
    for (const char* controller : kControllers) {
        if (is_v1(root / controller)) {
            found.controllers.emplace_back(controller);
        }
    }
    const bool has_v2 = is_v2(root / "unified");
    if (found.controllers.empty()) {
        // The v2 tree is then the only one there is.
        return has_v2 ? find_v2(root / "unified") : found;
    }
    found.kind = has_v2 ? HierarchyKind::Hybrid : HierarchyKind::V1;
    found.unified = has_v2 ? root / "unified" : "";
    return found;
}

std::unique_ptr<Group> make_group(const Hierarchy& hierarchy, const GroupPlace& place) {
    switch (hierarchy.kind) {
        case HierarchyKind::V1:
        case HierarchyKind::Hybrid:
            return make_group_v1(hierarchy, place);
        case HierarchyKind::V2:
            return make_group_v2(hierarchy, place);
        case HierarchyKind::None:
            break;
    }
    return nullptr;
}

std::unique_ptr<Group> open_group(const Hierarchy& hierarchy, const GroupPlace& place) {
    switch (hierarchy.kind) {
        case HierarchyKind::V1:
        case HierarchyKind::Hybrid:
            return open_group_v1(hierarchy, place);
        case HierarchyKind::V2:
            return open_group_v2(hierarchy, place);
        case HierarchyKind::None:
            break;
    }
    return nullptr;
}

}  // namespace drydock
