#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/network/networks.hpp"
#include "07-compose/network/settings.hpp"

namespace drydock::api {

/// HostConfig.NetworkMode; "default" when it is empty.
/// @throws InputError for "container:" without a name
std::string read_network_mode(const nlohmann::json& body);
/// What the body of POST /containers/create says about networks, ports and names.
/// @throws InputError naming the member
NetworkSettings read_network_settings(const nlohmann::json& body);
/// The body of POST /networks/create.
NetworkRequest read_network_request(const nlohmann::json& body);

}  // namespace drydock::api
