#pragma once

#include <string>

#include "06-registry/auth.hpp"
#include "06-registry/progress.hpp"
#include "06-registry/transfer_options.hpp"

namespace drydock {

class ImageStore;
struct Reference;

/// Afterwards `store` holds the image whole, every digest and size checked, unpacked, and
/// `reference` names it. Layers come several at a time, and each is unpacked while it comes, once
/// the one below is. What is there already is not fetched, and what another pull fetches, in this
/// process or another one, is waited for. When it fails, the name is what it was before, and what
/// it fetched is gone, unless somebody else needs it.
/// @return the digest of the manifest
/// @throws RegistryError; 404 reads as docker's "manifest for r:t not found: manifest unknown"
std::string pull(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress, const TransferOptions& options = {});

}  // namespace drydock
