#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock::api {

/// NetworkSettings of a container as `docker inspect` shows it.
nlohmann::json network_settings_json(const Container& container, const Networks& networks);
/// Its Networks alone, and its ports, as `docker ps` shows them.
nlohmann::json container_networks_json(const Container& container, const Networks& networks);
nlohmann::json ports_list_json(const Container& container, const Networks& networks);
/// What of the settings will have no effect, in docker's words.
nlohmann::json network_warnings(const ContainerConfig& config);
/// What HostConfig says about networks, as it was asked for.
void put_network_host_config(nlohmann::json& host, const ContainerConfig& config);

/// A network; with its running containers when `members` is true.
nlohmann::json network_json(const Network& network, const Networks& networks, bool members);

}  // namespace drydock::api
