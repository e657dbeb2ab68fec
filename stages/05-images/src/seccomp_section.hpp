#pragma once

#include <nlohmann/json_fwd.hpp>

#include "02-namespaces/capabilities.hpp"

namespace drydock {

/// Stage 02's own list of system calls as "linux.seccomp" of a config.json, so that the bundle
/// means the same to every runtime.
nlohmann::json default_seccomp(CapabilitySet capabilities);

}  // namespace drydock
