#pragma once

#include <vector>

#include "07-compose/network/endpoint.hpp"

namespace drydock {

/// A published port that a proxy serves, and the container's address.
struct ProxiedBinding {
    PublishedPort port{};
    IpAddress target{};
    bool operator==(const ProxiedBinding&) const = default;
};

/// The ports that need a proxy. With a kernel that forwards (nftables NAT) these are those at IPv6
/// addresses of the host: packets from ::1 never leave the loopback interface, whatever a rule
/// says, and a container without an IPv6 address is reached with IPv4 only. Without: all of them.
std::vector<ProxiedBinding> proxied_ports(const NetworkLease& lease, bool kernel_forwards);

}  // namespace drydock
