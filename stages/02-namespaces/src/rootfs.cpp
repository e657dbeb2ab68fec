#include "02-namespaces/rootfs.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

#include "copy_up.hpp"
#include "mount_place.hpp"

namespace drydock {
namespace {

bool is_file(const std::filesystem::path& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

/// What a mount goes on, made when it is missing: a file for a source that is one, else a
/// directory.
UniqueFd mount_point(int root, const MountSpec& spec) {
    const std::string& path = spec.target.native();
    if (UniqueFd there = open_in_root_if_there(root, path, O_PATH)) {
        return there;
    }
    const bool wants_file = (spec.flags & MS_BIND) != 0 && is_file(spec.source);
    if (!wants_file) {
        return make_directories_in_root(root, path);
    }
    const UniqueFd parent = make_directories_in_root(root, spec.target.parent_path().native());
    // O_EXCL: a dangling link of that name would have the file made where it points.
    return open_at(parent.get(), spec.target.filename().native(), O_RDONLY | O_CREAT | O_EXCL,
                   0644);
}

/// The MS_* bits that the mount open as `mounted` has.
unsigned long flags_of(int mounted, const MountSpec& spec) {
    struct statvfs status{};
    check(::fstatvfs(mounted, &status), "fstatvfs({})", spec.target.native());
    // ST_* of statvfs(3) and MS_* of mount(2) have the same values, but for ST_RELATIME.
    return status.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
                            MS_NODIRATIME | MS_SYNCHRONOUS);
}

/// "remount": what is mounted there already changes. Flags that nobody names stay: a mount(2) that
/// forgets them takes them away, or fails with EPERM where they are locked.
void remount(int target, const MountSpec& spec) {
    if ((spec.flags & MS_BIND) != 0) {
        change_mount(target, spec);
        return;
    }
    MountSpec whole = spec;
    whole.flags |= flags_of(target, spec) & ~spec.cleared;
    mount_fs_at(target, whole);
}

void mount_copied_up(int target, const MountSpec& spec) {
    MountSpec writable = spec;
    writable.flags &= ~std::uint64_t{MS_RDONLY};
    const UniqueFd tree = detached_filesystem(writable);
    const UniqueFd inside = open_at(tree.get(), ".", O_RDONLY | O_DIRECTORY);
    copy_directory(target, inside.get());
    change_mount(tree.get(), spec);
    attach_at(target, tree, spec);
}

/// The mount that `directory` is on.
std::filesystem::path mount_point_of(const std::filesystem::path& directory) {
    std::filesystem::path path = std::filesystem::canonical(directory);
    while (path != "/") {
        struct statx status{};
        check(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status),
              "statx({})", path.native());
        if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
            break;
        }
        path = path.parent_path();
    }
    return path;
}

void mount_one(int root, const MountSpec& spec, const UniqueFd& prepared) {
    const UniqueFd target = mount_point(root, spec);
    check_mount_place(root, target.get(), spec);
    if (prepared) {
        attach_at(target.get(), prepared, spec);
    } else if ((spec.flags & MS_REMOUNT) != 0) {
        remount(target.get(), spec);
    } else if ((spec.flags & MS_BIND) != 0) {
        bind_at(target.get(), spec);
    } else if (spec.copy_up && spec.type == "tmpfs") {
        mount_copied_up(target.get(), spec);
    } else {
        mount_fs_at(target.get(), spec);
        if (spec.propagation != 0 || spec.below_set != 0 || spec.below_cleared != 0) {
            const UniqueFd mounted = open_in_root(root, spec.target.native(), O_PATH);
            change_mount(mounted.get(), {.target = spec.target,
                                         .propagation = spec.propagation,
                                         .below_set = spec.below_set,
                                         .below_cleared = spec.below_cleared});
        }
    }
}

/// Propagation belongs to mounts, and pivot_root swaps mounts: with a "/" that is a mere directory
/// of some mount, as in a chroot, neither can be had.
[[noreturn]] void refuse_bare_chroot() {
    throw SetupError(
        "\"/\" is no mount point here, as in a chroot into a mere directory; bind that directory "
        "on "
        "itself before entering it: mount --bind DIR DIR",
        std::make_error_code(std::errc::invalid_argument), kSetupFailed);
}

}  // namespace

std::vector<UniqueFd> prepare_mounts(std::span<const MountSpec> mounts) {
    std::vector<UniqueFd> trees(mounts.size());
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (mounts[i].id_maps) {
            trees[i] = detached_bind(mounts[i]);
        }
    }
    return trees;
}

// [region: make-mounts-private]
void make_mounts_private() {
    // Before the first mount: "/" is shared under systemd, and what we mount would appear on the
    // host as well.
    const int made = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (made == -1 && errno == EINVAL) {
        refuse_bare_chroot();
    }
    check(made, "mount(target=/, flags=MS_REC|MS_PRIVATE)");
}
// [/region]

void detach_mount_events(unsigned long propagation, bool follow,
                         const std::filesystem::path& rootfs) {
    if (follow || (propagation & MS_SLAVE) != 0) {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr),
              "mount(target=/, flags=MS_REC|MS_SLAVE)");
        return;
    }
    if ((propagation & MS_SHARED) == 0) {
        make_mounts_private();
        return;
    }
    // Mounts below the root are to be seen outside, the root's own must not: what it is on becomes
    // private.
    const std::filesystem::path path = mount_point_of(rootfs);
    check(::mount(nullptr, path.c_str(), nullptr, MS_PRIVATE, nullptr),
          "mount(target={}, flags=MS_PRIVATE)", path.native());
}

// [region: mount-rootfs]
void mount_rootfs(const Rootfs& rootfs) {
    if (rootfs.filesystem) {
        MountSpec spec = *rootfs.filesystem;
        spec.target = rootfs.directory;
        mount_fs(spec);
        return;
    }
    // On itself: a mere directory becomes a mount point that way, which is all that pivot_root
    // wants of it.
    check(::mount(rootfs.directory.c_str(), rootfs.directory.c_str(), nullptr, MS_BIND | MS_REC,
                  nullptr),
          "mount(source={}, target={}, flags=MS_BIND|MS_REC)", rootfs.directory.native(),
          rootfs.directory.native());
}
// [/region]

// [region: mount-proc-dev-sys]
void mount_inside(const std::filesystem::path& rootfs, std::span<const MountSpec> mounts,
                  std::span<const UniqueFd> prepared) {
    const UniqueFd root = open_file(rootfs, O_PATH | O_DIRECTORY);
    const UniqueFd none;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        mount_one(root.get(), mounts[i], i < prepared.size() ? prepared[i] : none);
    }
}
// [/region]

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    const UniqueFd old_root = open_file("/", O_PATH | O_DIRECTORY);
    check(::chdir(new_root.c_str()), "chdir({})", new_root.native());
    // "." twice stacks the old root over the new one at "/", so an image needs no put_old
    // directory. umount2(".") then takes the topmost of the two: the old root.
    check(::syscall(SYS_pivot_root, ".", "."), "pivot_root(new_root={}, put_old=.)",
          new_root.native());
    // Mounts that are shared with the host, for a root that passes its own on, would be unmounted
    // there as well.
    change_mount(old_root.get(), {.target = "old root", .propagation = MS_REC | MS_SLAVE});
    // Lazily, because this very program still runs from a file on the old root.
    check(::umount2(".", MNT_DETACH), "umount2(old root, MNT_DETACH)");
    // The unmounting leaves "." at the root of the new world, so no chdir is needed.
}
// [/region]

void set_root_propagation(unsigned long propagation) {
    if (propagation != 0) {
        check(::mount(nullptr, "/", nullptr, propagation, nullptr), "mount(target=/, flags={})",
              mount_flag_names(propagation));
    }
}

void make_root_readonly() {
    mount_attr attributes{
        .attr_set = MOUNT_ATTR_RDONLY, .attr_clr = 0, .propagation = 0, .userns_fd = 0};
    check(::mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes),
          "mount_setattr(/, attr_set=MS_RDONLY)");
}

}  // namespace drydock
