#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "02-namespaces/mount.hpp"

namespace drydock {

// A root of one's own in four moves, in this order, each in the child that is in a mount namespace
// of its own: make_mounts_private, mount_rootfs, mount_inside, pivot_to.

/// What becomes "/".
struct Rootfs {
    std::filesystem::path directory{};      ///< absolute
    std::optional<MountSpec> filesystem{};  ///< mounted on `directory` first (an overlay of
                                            ///< layers); its target is ignored
    bool readonly = false;  ///< for make_root_readonly(), once everything is in place
};

/// No mount made from here on is seen outside this mount namespace, and none made outside is seen
/// here.
/// @throws SetupError where "/" is no mount point (a plain chroot), with what to do about it
/// @see mount_namespaces(7), SHARED SUBTREES
void make_mounts_private();

/// make_mounts_private() unless the root is to be a peer or a follower of the host's mounts.
/// @param propagation MS_SLAVE: what the host mounts later is seen here; MS_SHARED: and the other
///        way round; anything else: neither
/// @param follow as with MS_SLAVE, whatever `propagation` is
void detach_mount_events(unsigned long propagation, bool follow,
                         const std::filesystem::path& rootfs);

/// `rootfs.directory` is a mount point afterwards: pivot_root(2) takes nothing less.
/// @throws std::system_error ENOENT, ENOTDIR, and what the filesystem refuses
void mount_rootfs(const Rootfs& rootfs);

/// Mounts each of `mounts` below the directory `rootfs`, in order. A target is resolved inside that
/// root, so a symbolic link there cannot lead a mount to the host, and made when it is missing.
/// @throws std::system_error naming the mount
/// @param prepared what prepare_mounts() made of `mounts`, or nothing
void mount_inside(const std::filesystem::path& rootfs, std::span<const MountSpec> mounts,
                  std::span<const UniqueFd> prepared = {});

/// Makes those of `mounts` that only the host's user namespace may make, as long as this process is
/// in it: bound ones with IDs of their own. @return one for each of `mounts`, empty for the others
std::vector<UniqueFd> prepare_mounts(std::span<const MountSpec> mounts);

/// Makes `new_root` the root of the caller's mount namespace and drops the old root, so that no
/// path leads back to it. The working directory is "/" afterwards.
///
/// @pre    new_root is a mount point; neither it nor its parent mount is shared
/// @throws std::system_error; EBUSY or EINVAL when that does not hold, EPERM without CAP_SYS_ADMIN.
/// The namespace may
///         be half-changed: exit, never retry
/// @see    pivot_root(2), 'pivot_root(".", ".")'; OCI runtime-spec, config.md, "Root"
void pivot_to(const std::filesystem::path& new_root);

/// Gives the mount at "/" its final propagation (MS_* bits), once it is the root; 0: as it is.
void set_root_propagation(unsigned long propagation);

/// Nothing of the filesystem at "/" can be changed any more; what is mounted below stays as it is.
void make_root_readonly();

}  // namespace drydock
