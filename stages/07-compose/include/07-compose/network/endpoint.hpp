#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "02-namespaces/link.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

/// A running container's place in one network.
struct Endpoint {
    std::string id{};  ///< 64 hexadecimal digits
    std::string network_id{};
    std::string network_name{};
    std::string interface{};  ///< inside: "eth0"
    std::string host_link{};  ///< the other end of the cable, a port of the bridge
    MacAddress mac{};
    std::optional<Subnet> ipv4{};
    std::optional<Subnet> ipv6{};
    IpAddress gateway4{};  ///< none in an internal network
    IpAddress gateway6{};
    std::vector<std::string> names{};  ///< what others in the network call it
    std::vector<std::string> links{};  ///< "name:alias": what it calls others
};

/// A port of a container that is reachable on the host.
struct PublishedPort {
    std::string protocol{};    ///< "tcp", "udp", "sctp"
    IpAddress host_address{};  ///< 0.0.0.0 or :: for all of them
    int host_port = 0;
    int container_port = 0;
    bool operator==(const PublishedPort&) const = default;
};

/// All that a running container has of networks: its lease, in network.json beside state.json.
struct NetworkLease {
    std::vector<Endpoint> endpoints{};  ///< eth0 first
    std::vector<PublishedPort> ports{};
    ProcessIdentity proxy{};  ///< serves what the kernel cannot forward; pid 0: none is needed
};

std::string to_json(const NetworkLease& lease);
/// @throws InputError naming the place that is not as to_json writes it
NetworkLease lease_from_json(std::string_view text, std::string_view name_for_errors);

}  // namespace drydock
