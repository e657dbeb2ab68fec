#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace drydock {

/// The arguments of mount(2), under the man page's names.
struct MountSpec {
    std::string source{};  ///< device, directory to bind, or any label for a virtual filesystem
    std::filesystem::path
        target{};        ///< absolute path; inside the root for what mount_inside() takes
    std::string type{};  ///< as in /proc/filesystems: "tmpfs", "overlay", …; ignored with MS_BIND
    unsigned long flags = 0;  ///< MS_* bits, without those of propagation
    std::string data{};       ///< comma-separated options of that filesystem
    unsigned long propagation =
        0;  ///< MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, also with MS_REC; 0 = as it comes
};

/// Mounts. No object owns the result: it ends with the caller's mount namespace.
/// @throws std::system_error naming every argument
/// @see    mount(2)
void mount_fs(const MountSpec& spec);
/// The same on the file or directory that is open as `target`, whatever its path leads to by now.
void mount_fs_at(int target, const MountSpec& spec);

/// Makes the file or directory spec.source visible at `target` (an open file or directory) with
/// spec.flags, which hold for everything below as well when MS_REC is among them. It is there with
/// all its flags at once or not at all.
/// @see open_tree(2), mount_setattr(2), move_mount(2)
void bind_at(int target, const MountSpec& spec);
/// The same for a source that is open, O_PATH will do.
void bind_fd_at(int target, int source, const MountSpec& spec);

/// `spec` with `options` as fstab(5) and the OCI runtime-spec write them: {"ro", "nosuid",
/// "size=64m", "rbind", "rslave"}. What is no flag of mount(2) goes to `data`, for the filesystem
/// to judge.
MountSpec with_mount_options(MountSpec spec, std::span<const std::string> options);

/// "MS_NOSUID|MS_RDONLY", "0".
std::string mount_flag_names(unsigned long flags);

}  // namespace drydock
