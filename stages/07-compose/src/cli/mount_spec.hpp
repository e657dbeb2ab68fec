#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/cli/container_spec.hpp"

namespace drydock::cli {

/// What the spec says of mounts, into the body of a create and its HostConfig.
void put_mounts(nlohmann::json& body, nlohmann::json& host, const ContainerSpec& spec);

}  // namespace drydock::cli
