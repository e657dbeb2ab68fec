#pragma once

#include <functional>
#include <string>

#include "06-registry/auth.hpp"

namespace drydock {

struct Reference;

/// One end of a copy.
struct CopyEnd {
    const Reference& name;
    Credentials credentials{};
};

struct CopyOptions {
    bool all = false;  ///< every platform of an index; else the one of this machine
    std::function<void(const std::string&)> explain{};  ///< TransferOptions::explain
    std::function<void(const std::string&)> told{};     ///< gets a line for each blob
};

/// Brings an image from registry to registry; nothing is stored here. Blobs that the other one has
/// stay, within one registry they are taken over, and the others stream through, digest and size
/// checked. The manifest goes last, as it is.
/// @return its digest
/// @throws RegistryError, InputError
std::string copy_image(const CopyEnd& from, const CopyEnd& to, const CopyOptions& options);

}  // namespace drydock
