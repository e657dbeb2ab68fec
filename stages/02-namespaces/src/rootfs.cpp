#include "02-namespaces/rootfs.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

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

void mount_one(int root, const MountSpec& spec) {
    const UniqueFd target = mount_point(root, spec);
    if ((spec.flags & MS_BIND) != 0) {
        bind_at(target.get(), spec);
        return;
    }
    mount_fs_at(target.get(), spec);
    if (spec.propagation != 0) {
        const UniqueFd mounted = open_in_root(root, spec.target.native(), O_PATH);
        mount_fs_at(mounted.get(), {.target = spec.target, .flags = spec.propagation});
    }
}

}  // namespace

// [region: make-mounts-private]
void make_mounts_private() {
    // Before the first mount: "/" is shared under systemd, and what we mount would appear on the
    // host as well.
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
          "mount(target=/, flags=MS_REC|MS_PRIVATE)");
}
// [/region]

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
void mount_inside(const std::filesystem::path& rootfs, std::span<const MountSpec> mounts) {
    const UniqueFd root = open_file(rootfs, O_PATH | O_DIRECTORY);
    for (const MountSpec& spec : mounts) {
        mount_one(root.get(), spec);
    }
}
// [/region]

// [region: pivot-root]
void pivot_to(const std::filesystem::path& new_root) {
    check(::chdir(new_root.c_str()), "chdir({})", new_root.native());
    // "." twice stacks the old root over the new one at "/", so an image needs no put_old
    // directory. umount2(".") then takes the topmost of the two: the old root.
    check(::syscall(SYS_pivot_root, ".", "."), "pivot_root(new_root={}, put_old=.)",
          new_root.native());
    // Lazily, because this very program still runs from a file on the old root.
    check(::umount2(".", MNT_DETACH), "umount2(old root, MNT_DETACH)");
    // The unmounting leaves "." at the root of the new world, so no chdir is needed.
}
// [/region]

void make_root_readonly() {
    mount_attr attributes{
        .attr_set = MOUNT_ATTR_RDONLY, .attr_clr = 0, .propagation = 0, .userns_fd = 0};
    check(::mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes),
          "mount_setattr(/, attr_set=MS_RDONLY)");
}

}  // namespace drydock
