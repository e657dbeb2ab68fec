#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "04-layers/digest.hpp"

namespace drydock {

class JsonPlace;

namespace media_type {
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// An OCI index or a docker manifest list.
bool is_index(std::string_view type) noexcept;
/// An OCI or a docker schema 2 manifest.
bool is_manifest(std::string_view type) noexcept;
}  // namespace media_type

namespace oci {

/// What an image runs on.
struct Platform {
    std::string os{};            ///< "linux"
    std::string architecture{};  ///< as in GOARCH: "amd64", "arm64"
    std::string variant{};       ///< "v8"; empty where there is none
    bool operator==(const Platform&) const = default;
};

/// A typed, sized pointer to a blob.
/// @see OCI image-spec, descriptor.md
struct Descriptor {
    std::string media_type{};
    Digest digest{};
    std::uint64_t size = 0;  ///< bytes
    std::map<std::string, std::string> annotations{};
    std::optional<Platform> platform{};
};

}  // namespace oci

/// The platform of this machine.
oci::Platform host_platform();

/// @throws InputError with the JSON pointer of what is missing or malformed
oci::Descriptor read_descriptor(const JsonPlace& place);
nlohmann::json to_json(const oci::Descriptor& descriptor);

}  // namespace drydock
