#pragma once

#include <string>

#include "06-registry/auth.hpp"
#include "06-registry/progress.hpp"

namespace drydock {

class ImageStore;
struct Reference;

/// Afterwards `store` holds the image whole, every digest and size checked, unpacked, and
/// `reference` names it. What is there already is not fetched; when it fails, the name is what it
/// was before.
/// @return the digest of the manifest
/// @throws RegistryError; 404 reads as docker's "manifest for r:t not found: manifest unknown"
std::string pull(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress);

}  // namespace drydock
