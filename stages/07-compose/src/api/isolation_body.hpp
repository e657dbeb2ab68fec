#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/isolation.hpp"

namespace drydock::api {

/// The members of HostConfig that say how far a container is kept from the machine.
/// @throws InputError naming the member
Isolation read_isolation(const nlohmann::json& host);

}  // namespace drydock::api
