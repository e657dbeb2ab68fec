#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "04-layers/digest.hpp"

namespace drydock {

/// The name of an image, normalised: "busybox" is docker.io/library/busybox:latest.
///
/// @see distribution/reference, "Grammar"; what docker calls the familiar form is what its users
/// type and read
struct Reference {
    std::string domain{};  ///< "docker.io", "127.0.0.1:5000"
    std::string path{};    ///< "library/busybox"
    std::string tag{};     ///< "latest"; empty only when there is a digest
    std::optional<Digest>
        digest{};  ///< of a manifest; with both, the digest says which image it is
    bool operator==(const Reference&) const = default;
};

/// Reads `[domain[:port]/]path[:tag][@digest]`. Without tag and digest the tag is "latest".
/// @throws InputError naming the part that is wrong and what would be right
Reference parse_reference(std::string_view text);

/// "docker.io/library/busybox:latest", "docker.io/library/busybox@sha256:…"
std::string to_string(const Reference& reference);
/// "docker.io/library/busybox"
std::string repository_of(const Reference& reference);
/// What users read: "busybox:latest"; docker.io/ and library/ are left out.
std::string familiar(const Reference& reference);
/// "busybox"
std::string familiar_repository(const Reference& reference);

}  // namespace drydock
