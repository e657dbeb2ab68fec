#include "cgroup_delegation.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "cgroup_directory.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

bool may_make_groups_in(const fs::path& directory) {
    // To move a process the kernel asks for the cgroup.procs of the group above both places.
    return ::access(directory.c_str(), W_OK) == 0 &&
           ::access((directory / "cgroup.procs").c_str(), W_OK) == 0 &&
           is_cgroup_directory(directory);
}

bool has_processes(const fs::path& directory) {
    return !read_text(open_cgroup_directory(directory), "cgroup.procs").empty();
}

bool is_marked_delegated(const fs::path& directory) {
    for (const char* name : {"trusted.delegate", "user.delegate"}) {
        std::array<char, 2> value{};
        if (::getxattr(directory.c_str(), name, value.data(), value.size()) == 1 &&
            value[0] == '1') {
            return true;
        }
    }
    return false;
}

/// From our own group up to the root, which is the last.
std::vector<fs::path> own_group_and_above(const fs::path& root) {
    std::vector<fs::path> paths = {root / own_group("").value_or("")};
    if (paths[0].filename().empty()) {
        paths[0] = root;
    }
    while (paths.back() != root && paths.back().has_relative_path()) {
        paths.push_back(paths.back().parent_path());
    }
    return paths;
}

}  // namespace

std::vector<fs::path> delegated_groups(const fs::path& root) {
    const std::vector<fs::path> all = own_group_and_above(root);
    std::vector<fs::path> ours;
    for (const fs::path& directory : all) {
        if (!may_make_groups_in(directory)) {
            break;
        }
        ours.push_back(directory);
    }
    return ours.empty() ? std::vector<fs::path>{all.front()} : ours;
}

fs::path delegated_group(const fs::path& root) {
    const std::vector<fs::path> ours = delegated_groups(root);
    for (const fs::path& directory : ours) {
        // The root is the one group that may have both.
        if (directory == root || !has_processes(directory)) {
            return directory;
        }
    }
    return ours.front();
}

bool lives_in_delegated_group(const fs::path& root, const fs::path& systemd) {
    std::error_code ignored;
    if (!fs::is_directory(systemd, ignored)) {
        return false;
    }
    for (const fs::path& directory : own_group_and_above(root)) {
        if (directory != root && is_marked_delegated(directory)) {
            return true;
        }
    }
    return false;
}

}  // namespace drydock
