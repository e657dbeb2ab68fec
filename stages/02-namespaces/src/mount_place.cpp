#include "mount_place.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <climits>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

constexpr std::array<std::string_view, 6> kViews = {"proc",   "sysfs",  "devpts",
                                                    "mqueue", "cgroup", "cgroup2"};
/// What lxcfs(1) shows instead of the host's figures, and what runc lets through besides.
constexpr std::array<std::string_view, 11> kBelowProc = {"/proc/cpuinfo",
                                                         "/proc/diskstats",
                                                         "/proc/meminfo",
                                                         "/proc/stat",
                                                         "/proc/swaps",
                                                         "/proc/uptime",
                                                         "/proc/loadavg",
                                                         "/proc/slabinfo",
                                                         "/proc/net/dev",
                                                         "/proc/sys/kernel/ns_last_pid",
                                                         "/proc/sys/crypto/fips_enabled"};

std::string path_of_descriptor(int fd) {
    std::array<char, PATH_MAX> path{};
    const std::string link = fmt::format("/proc/self/fd/{}", fd);
    const ssize_t n =
        check(::readlink(link.c_str(), path.data(), path.size()), "readlink({})", link);
    return {path.data(), static_cast<std::size_t>(n)};
}

std::string without_slash_at_end(const std::filesystem::path& path) {
    std::string text = path.lexically_normal().native();
    while (text.size() > 1 && text.ends_with('/')) {
        text.pop_back();
    }
    return text;
}

bool is_procfs_root(const std::string& path) {
    constexpr ino_t kProcRoot = 1;
    const UniqueFd fd = open_file(path, O_PATH);
    struct statfs filesystem{};
    struct stat status{};
    check(::fstatfs(fd.get(), &filesystem), "fstatfs({})", path);
    check(::fstat(fd.get(), &status), "fstat({})", path);
    return filesystem.f_type == PROC_SUPER_MAGIC && status.st_ino == kProcRoot;
}

void check_proc(const std::string& place, const MountSpec& spec) {
    const bool bind = (spec.flags & MS_BIND) != 0;
    if (place == "/proc" && (spec.flags & MS_REMOUNT) == 0) {
        if (bind ? !is_procfs_root(spec.source) : spec.type != "proc") {
            throw InputError(fmt::format("mount at {}: expected a proc filesystem, got {}",
                                         spec.target.native(), bind ? spec.source : spec.type));
        }
    } else if (place.starts_with("/proc/") &&
               std::ranges::find(kBelowProc, place) == kBelowProc.end()) {
        throw InputError(
            fmt::format("mount at {}: expected a place outside /proc, which the kernel alone fills",
                        spec.target.native()));
    }
}

}  // namespace

std::string place_in_root(int root, int target) {
    const std::string top = path_of_descriptor(root);
    std::string path = path_of_descriptor(target);
    if (top != "/" && path.starts_with(top)) {
        path.erase(0, top.size());
    }
    return path.empty() ? "/" : path;
}

void check_mount_place(int root, int target, const MountSpec& spec) {
    const std::string wanted = without_slash_at_end(spec.target);
    const bool view = std::ranges::find(kViews, spec.type) != kViews.end() || wanted == "/dev" ||
                      wanted == "/proc" || wanted == "/sys";
    const std::string place = place_in_root(root, target);
    if (view && place != wanted) {
        throw InputError(
            fmt::format("mount at {}: a symbolic link of the root leads to {} instead; expected a "
                        "directory",
                        wanted, place));
    }
    check_proc(place, spec);
}

}  // namespace drydock
