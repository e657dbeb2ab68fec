#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "04-layers/overlay.hpp"

namespace drydock::stage04 {

// What drydock-04 does when it is not running anything: each prints its outcome on stdout.

/// Unpacks one archive into a directory, which is made when it is missing.
int apply(const std::filesystem::path& layer, const std::filesystem::path& directory);

/// Packs an upper directory into a file.
int diff(const std::filesystem::path& upper, const std::filesystem::path& output);

/// Mounts an overlay in our own mount namespace; umount(8) undoes it.
int mount(const Overlay& overlay, const std::filesystem::path& target);

/// Lists a content store's blobs with their sizes.
int list_store(const std::filesystem::path& store);
/// Reads every blob. @return 1 when one is damaged, which is named
int verify_store(const std::filesystem::path& store);

}  // namespace drydock::stage04
