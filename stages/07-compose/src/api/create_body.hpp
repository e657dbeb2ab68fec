#pragma once

#include <optional>
#include <utility>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"
#include "07-compose/engine/exec_record.hpp"

namespace drydock::api {

/// Reads the body of POST /containers/create. Members nobody knows are left aside, as Docker does;
/// a member that is known and asks for something Drydock does not have yet is never.
/// @throws NotImplemented naming it; InputError with the JSON pointer of what has the wrong type
ContainerConfig read_create_body(const nlohmann::json& body);

/// The limits in a HostConfig, or in the body of POST /containers/{id}/update.
/// @throws InputError
Limits read_limits(const nlohmann::json& host);
/// "RestartPolicy"; nothing when it is not there, or names none.
/// @throws InputError
std::optional<RestartPolicy> read_restart_policy(const nlohmann::json& host);

/// Reads the body of POST /containers/{id}/exec.
/// @throws InputError
ExecSpec read_exec_body(const nlohmann::json& body);

/// "ConsoleSize": rows and columns; 0 and 0 when it is not there.
/// @throws InputError
std::pair<unsigned, unsigned> read_console_size(const nlohmann::json& object);

}  // namespace drydock::api
