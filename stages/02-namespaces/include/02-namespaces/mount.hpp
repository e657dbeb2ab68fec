#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/id_map.hpp"

namespace drydock {

/// Whose IDs the files of a mount show.
struct MountIdMaps {
    IdMaps maps{};       ///< inside: the owner on the disk; outside: the owner that is seen
    bool below = false;  ///< also of the mounts below it
};

/// MS_NOSYMFOLLOW of <linux/mount.h>, which does not go together with <sys/mount.h>.
inline constexpr unsigned long kNoSymFollow = 256;

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
    unsigned long cleared = 0;        ///< MS_* bits that a bound mount is to lose ("rw", "suid")
    std::uint64_t below_set = 0;      ///< MOUNT_ATTR_* for it and all mounts below ("rro")
    std::uint64_t below_cleared = 0;  ///< the same, taken away ("rrw")
    std::optional<MountIdMaps> id_maps{};
    bool own_id_maps = false;  ///< "idmap" or "ridmap" is among the options
    bool copy_up = false;      ///< a tmpfs begins with what the directory below it holds
};

/// Mounts. No object owns the result: it ends with the caller's mount namespace.
/// @throws std::system_error naming every argument
/// @see    mount(2)
void mount_fs(const MountSpec& spec);
/// The same on the file or directory that is open as `target`, whatever its path leads to by now.
void mount_fs_at(int target, const MountSpec& spec);

/// The file or directory spec.source as a mount that is nowhere yet, with all the flags of `spec`,
/// which hold for everything below as well when MS_REC is among them.
/// @see open_tree(2), mount_setattr(2)
UniqueFd detached_bind(const MountSpec& spec);
/// The same for a new filesystem of spec.type, made with the options in spec.data.
/// @see fsopen(2), fsmount(2)
UniqueFd detached_filesystem(const MountSpec& spec);
/// Puts such a mount on the file or directory that is open as `target`. @see move_mount(2)
void attach_at(int target, const UniqueFd& tree, const MountSpec& spec);

/// Makes the file or directory spec.source visible at `target` (an open file or directory) with
/// spec.flags. It is there with all its flags at once or not at all.
void bind_at(int target, const MountSpec& spec);
/// The same for a source that is open, O_PATH will do.
void bind_fd_at(int target, int source, const MountSpec& spec);

/// Changes the mount whose root is open as `mounted`: its flags, those of all mounts below it and
/// its propagation, as far as `spec` asks for it. Flags that it does not name stay as they are;
/// what is locked (mount_namespaces(7)) stays too.
void change_mount(int mounted, const MountSpec& spec);

/// `spec` with `options` as fstab(5) and the OCI runtime-spec write them: {"ro", "nosuid",
/// "size=64m", "rbind", "rslave"}. What is no flag of mount(2) goes to `data`, for the filesystem
/// to judge.
/// @see OCI runtime-spec, config.md, "Linux mount options"
MountSpec with_mount_options(MountSpec spec, std::span<const std::string> options);

/// Every name that with_mount_options() does not leave to the filesystem, sorted.
std::vector<std::string_view> mount_option_names();

/// The MS_* bits of "rslave", "shared", …; 0 for what is no propagation.
unsigned long propagation_flags(std::string_view name);

/// "MS_NOSUID|MS_RDONLY", "0".
std::string mount_flag_names(unsigned long flags);

}  // namespace drydock
