#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "02-namespaces/mount.hpp"

namespace drydock {

/// An overlay: read-only directories, topmost first, under one that takes the changes.
struct Overlay {
    std::vector<std::filesystem::path>
        lowers{};                   ///< at least one; at least two when there is no `upper`
    std::filesystem::path upper{};  ///< "" for a read-only view
    std::filesystem::path work{};   ///< empty directory on the filesystem of `upper`
    bool userxattr = false;         ///< whiteouts and opaque marks in user.overlay.* (rootless)
};

/// The mount(2) arguments for it, target empty.
/// @throws InputError when a path has a character that overlay's options give a meaning (`,` `:`
/// `\`), or for more layers than overlayfs takes. More options than mount(2)'s one page are fine
/// for mount_fs().
/// @see kernel Documentation/filesystems/overlayfs.rst
MountSpec overlay_mount(const Overlay& overlay);

}  // namespace drydock
