#pragma once

#include <filesystem>

namespace drydock {

/// Makes `rootfs` the root directory of this process and "/" its working directory. That is all it
/// does: a process with CAP_SYS_CHROOT gets out again (lab 01), and so does one that holds an open
/// directory outside.
/// @throws std::system_error ENOTDIR, ENOENT, EPERM (needs CAP_SYS_CHROOT)
/// @see    chroot(2)
void chroot_to(const std::filesystem::path& rootfs);

}  // namespace drydock
