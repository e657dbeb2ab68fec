#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// What a user wants in one network.
struct EndpointSpec {
    std::vector<std::string> aliases{};
    std::string ipv4{};  ///< "" for any
    std::string ipv6{};
    std::string mac{};
};

/// What a user wants of networks for one container, by flags or in a compose file.
struct NetworkSpec {
    std::map<std::string, EndpointSpec>
        endpoints{};                     ///< by network, besides ContainerSpec::network
    EndpointSpec first{};                ///< in ContainerSpec::network
    std::vector<std::string> publish{};  ///< as for -p: "[IP:][HOST[-HOST]:]PORT[-PORT][/tcp]"
    std::vector<std::string> expose{};   ///< "80", "80/udp", "8000-8010"
    bool publish_all = false;
    std::vector<std::string> links{};        ///< "container[:alias]"
    std::vector<std::string> extra_hosts{};  ///< "name:address"
    std::vector<std::string> dns{};
    std::vector<std::string> dns_search{};
    std::vector<std::string> dns_options{};
    std::string domainname{};
};

/// One port of a container and where it shall be reachable.
struct PortSpec {
    std::string container{};  ///< "80/tcp"
    std::string host_ip{};    ///< "": everywhere
    std::string host_port{};  ///< "": any; "8000-8010": the first free one
};
/// What -p says; a range stands for as many ports as it has.
/// @throws InputError naming `where` and what would be right
std::vector<PortSpec> parse_publish(std::string_view text, std::string_view where);

/// Writes it into the body of POST /containers/create.
/// @param network ContainerSpec::network
void put_networks(nlohmann::json& body, const NetworkSpec& spec, const std::string& network);

}  // namespace drydock::cli
