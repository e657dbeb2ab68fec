#pragma once

#include <nlohmann/json_fwd.hpp>

#include "02-namespaces/capabilities.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {

/// "linux" of a config.json: namespaces, limits, devices, and what keeps the container in.
nlohmann::json linux_section(const ContainerOptions& options);

/// Adds the limits to a "linux.resources".
void put_limits(nlohmann::json& resources, const Limits& limits);

/// What the container may do when its command runs as root.
CapabilitySet container_capabilities(const ContainerOptions& options);

}  // namespace drydock
