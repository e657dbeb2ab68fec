#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace drydock {

/// What a client asked for in one network: Docker's EndpointSettings.
struct EndpointSettings {
    std::vector<std::string> aliases{};
    std::vector<std::string> links{};
    std::string ipv4{};  ///< "" for the next free one
    std::string ipv6{};
    std::string mac{};  ///< "" for one of ours
    std::map<std::string, std::string> driver_options{};
};

/// Where a port shall be reachable on the host.
struct PortBinding {
    std::string host_ip{};    ///< "": everywhere
    std::string host_port{};  ///< "8080", "8000-8010" (the first free one), "" or "0" (any)
};

/// What a client asked for in the way of networks; part of a container's configuration.
struct NetworkSettings {
    std::map<std::string, EndpointSettings> endpoints{};      ///< by name of the network
    std::map<std::string, std::vector<PortBinding>> ports{};  ///< by "80/tcp"
    bool publish_all = false;                                 ///< every exposed port, somewhere
    std::vector<std::string> extra_hosts{};                   ///< "name:address"
    std::vector<std::string> dns{};                           ///< addresses of servers
    std::vector<std::string> dns_search{};
    std::vector<std::string> dns_options{};
    std::string domainname{};
};

/// As container.json holds it, and back. What is missing is empty.
nlohmann::json to_stored_json(const NetworkSettings& settings);
NetworkSettings network_settings_from(const nlohmann::json& object);

/// The same for one endpoint, in Docker's own words: a member of EndpointsConfig.
nlohmann::json to_docker_json(const EndpointSettings& settings);
/// @throws InputError naming the member
EndpointSettings endpoint_settings_from_docker(const nlohmann::json& object);

}  // namespace drydock
