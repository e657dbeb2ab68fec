#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drydock {

// How a layer says that something of the layers below is gone.
// In an archive: an empty file `.wh.NAME`, or `.wh..wh..opq` in a directory that hides all of the
// lower one. In overlayfs: a character device 0:0 called NAME, or the attribute overlay.opaque=y on
// the directory.

inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
inline constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
/// AUFS kept its own files in layers under such names (.wh..wh.plnk, .wh..wh.aufs); they mean
/// nothing to others.
inline constexpr std::string_view kAufsPrefix = ".wh..wh.";

/// Whether a file at `name` with these st_mode and st_rdev is overlay's whiteout.
bool is_overlay_whiteout(unsigned mode, unsigned long device) noexcept;

/// Whether we are in a user namespace: overlay's marks are then user.overlay.*, because nobody
/// there may write trusted ones.
bool overlay_needs_user_attributes();

/// "trusted" -> "trusted.overlay.opaque"
std::string opaque_attribute(std::string_view overlay_namespace);

/// Whether an extended attribute belongs into a layer: not overlay's own, nor a label of the host's
/// security module.
bool is_portable_attribute(std::string_view name) noexcept;

}  // namespace drydock
