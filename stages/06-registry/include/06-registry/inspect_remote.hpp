#pragma once

#include <vector>

#include "05-images/descriptor.hpp"
#include "06-registry/auth.hpp"

namespace drydock {

struct Reference;

/// An image as its registry describes it.
struct RemoteImage {
    oci::Descriptor manifest{};              ///< or the index of several
    std::vector<oci::Platform> platforms{};  ///< the machines that it is for
};

/// Asks the registry for the manifest, and for the configuration when that alone names the
/// platform; nothing is stored.
/// @throws RegistryError
RemoteImage inspect_remote(const Reference& name, const Credentials& credentials);

}  // namespace drydock
