#pragma once

#include <string>
#include <vector>

#include "05-images/image_store.hpp"
#include "05-images/manifest.hpp"
#include "05-images/reference.hpp"

namespace drydock {

/// Notes that the blobs of the image were had from, or brought to, the repository: a later push to
/// another repository of that registry takes them over there. Kept in DATA_ROOT/origins, a file for
/// each blob; a note that is lost or out of date costs one request.
void remember_origin(const ImageStore& store, const oci::Manifest& manifest,
                     const Reference& repository);

/// The repositories of the registry `domain` that are known to have the blob, the newest first,
/// without `other_than`.
std::vector<std::string> known_origins(const ImageStore& store, const Digest& blob,
                                       const std::string& domain, const std::string& other_than);

}  // namespace drydock
