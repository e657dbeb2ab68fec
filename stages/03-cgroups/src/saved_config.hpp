#pragma once

#include "03-cgroups/oci_config.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

/// config.json as it was when the container was created; that of its bundle when whoever made it
/// kept none.
/// @param container its directory, ROOT/ID
oci::Config saved_config(int container, const ContainerState& state);

}  // namespace drydock
