#pragma once

#include <string>

#include "06-registry/auth.hpp"
#include "06-registry/progress.hpp"
#include "06-registry/transfer_options.hpp"

namespace drydock {

class ImageStore;
struct Reference;

/// Afterwards the registry has the image that `reference` names in `store`, under that name. Blobs
/// it has already are not sent, those that another repository of the registry is known to have are
/// taken over from there, and the others go several at a time; the manifest goes last.
/// @return the digest of the manifest
/// @throws RegistryError; InputError when the store has no such image
std::string push(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress, const TransferOptions& options = {});

}  // namespace drydock
