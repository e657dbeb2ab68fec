#pragma once

#include <utility>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"
#include "07-compose/engine/exec_record.hpp"

namespace drydock::api {

/// Reads the body of POST /containers/create. Members nobody knows are left aside, as Docker does;
/// a member that is known and asks for something Drydock does not have yet is never.
/// @throws NotImplemented naming it; InputError with the JSON pointer of what has the wrong type
ContainerConfig read_create_body(const nlohmann::json& body);

/// Reads the body of POST /containers/{id}/exec.
/// @throws InputError
ExecSpec read_exec_body(const nlohmann::json& body);

/// "ConsoleSize": rows and columns; 0 and 0 when it is not there.
/// @throws InputError
std::pair<unsigned, unsigned> read_console_size(const nlohmann::json& object);

}  // namespace drydock::api
