#pragma once

#include <sys/types.h>

#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

// Paths that a root file system's owner may have shaped are resolved by the kernel, inside that
// root, once: every symbolic link is followed as if `root` were "/", and ".." stops there
// (openat2(2), RESOLVE_IN_ROOT).

/// Opens `path` inside the directory `root`, close-on-exec.
/// @param flags O_* as for open(2); O_PATH for a handle only
/// @throws std::system_error naming path and flags
UniqueFd open_in_root(int root, const std::string& path, int flags, mode_t mode = 0);

/// The same for a path that may be missing: empty then. (No exception is thrown for what is no
/// exception: the first one in a static program costs more than a container's namespaces.)
UniqueFd open_in_root_if_there(int root, const std::string& path, int flags);

/// Opens the directory `path` inside `root` and makes what is missing of it, one part at a time.
/// @throws std::system_error ENOTDIR when a part is there and is something else
UniqueFd make_directories_in_root(int root, const std::string& path, mode_t mode = 0755);

}  // namespace drydock
