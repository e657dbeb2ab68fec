#pragma once

#include <string_view>

namespace drydock {

// Names inside an archive that saving and loading have to agree on.

inline constexpr std::string_view kArchiveBlobs = "blobs/sha256/";
/// The name in an OCI index that tools look images up by.
inline constexpr const char* kRefNameKey = "org.opencontainers.image.ref.name";
/// The whole reference; docker and containerd write and read it.
inline constexpr const char* kContainerdNameKey = "io.containerd.image.name";

}  // namespace drydock
