#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"

namespace drydock::api {

/// Reads the body of POST /containers/create. Members nobody knows are left aside, as Docker does;
/// a member that is known and asks for something Drydock does not have yet is never.
/// @throws NotImplemented naming it; InputError with the JSON pointer of what has the wrong type
ContainerConfig read_create_body(const nlohmann::json& body);

}  // namespace drydock::api
