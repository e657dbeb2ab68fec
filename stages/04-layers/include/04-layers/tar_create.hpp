#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "04-layers/content_store.hpp"
#include "04-layers/digest.hpp"

namespace drydock {

inline constexpr const char* kLayerMediaType = "application/vnd.oci.image.layer.v1.tar+gzip";

struct CreateOptions {
    /// Times later than this many seconds since 1970 become this: $SOURCE_DATE_EPOCH for
    /// reproducible layers.
    std::optional<std::int64_t> latest_mtime{};
    std::string overlay_namespace = "trusted";
    int compression_level = 6;  ///< of zlib; what docker uses
    /// Called now and then with the bytes packed so far, uncompressed.
    std::function<void(std::uint64_t)> progress{};
};

/// A layer in a content store: what a descriptor in a manifest, and rootfs.diff_ids in a config,
/// say about it.
struct LayerBlob {
    Digest digest{};
    std::uint64_t size = 0;  ///< bytes of the blob
    Digest diff_id{};
    std::string media_type = kLayerMediaType;
    std::uint64_t uncompressed_size = 0;
};

/// Packs the upper directory of an overlay: the changes against the layers below, in the form other
/// engines read (whiteouts as `.wh.x` files). Sorted by name and normalised, so the same tree gives
/// the same digests. Digest and DiffID are computed in the one pass that writes the blob.
/// @throws std::system_error, InputError (a socket cannot be packed: left out, as tar(1) does)
LayerBlob create_layer(const ContentStore& store, int upper, const CreateOptions& options = {});
/// The same into whatever takes the blob's bytes. `digest` and `size` are left empty: the sink sees
/// the bytes.
LayerBlob create_layer(const std::function<void(std::span<const std::byte>)>& sink, int upper,
                       const CreateOptions& options = {});

}  // namespace drydock
