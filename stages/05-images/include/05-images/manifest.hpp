#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "05-images/descriptor.hpp"

namespace drydock {

namespace oci {

/// Config and layers of an image for one platform: an OCI manifest or docker's schema 2, which say
/// the same.
/// @see OCI image-spec, manifest.md
struct Manifest {
    std::string media_type{};
    Descriptor config{};
    std::vector<Descriptor> layers{};  ///< the lowest first
    std::map<std::string, std::string> annotations{};
};

/// Manifests to choose from, by platform or by name: an OCI index or docker's manifest list.
/// @see OCI image-spec, image-index.md
struct Index {
    std::string media_type{};
    std::vector<Descriptor> manifests{};
    std::map<std::string, std::string> annotations{};
};

}  // namespace oci

/// The largest manifest or index that is read: the figure registries agree on.
inline constexpr std::size_t kMaxManifestSize = std::size_t{4} << 20U;

/// Reads a manifest. Refused is what could be read as something else: one that holds `manifests`
/// too, or whose own mediaType is not `type`, or duplicate keys.
/// @param type as the registry's Content-Type or the descriptor had it; empty: the document alone
/// says
/// @param name of the document, for messages
/// @throws InputError with the JSON pointer
oci::Manifest parse_manifest(std::string_view text, std::string_view type, std::string_view name);
/// The same for an index.
oci::Index parse_index(std::string_view text, std::string_view type, std::string_view name);
/// Whether the document is an index: its own mediaType, else whether it has `manifests`.
bool looks_like_index(std::string_view text, std::string_view name);

/// The bytes of a new manifest: keys sorted, no white space.
std::string to_text(const oci::Manifest& manifest);
std::string to_text(const oci::Index& index);

/// The entry of `index` for `wanted`; entries without a platform match any, attestations
/// (unknown/unknown) none.
/// @throws InputError "no matching manifest for linux/amd64 in the manifest list entries"
const oci::Descriptor& choose_platform(const oci::Index& index, const oci::Platform& wanted);

}  // namespace drydock
