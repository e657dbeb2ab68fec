#pragma once

#include <filesystem>
#include <string>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/netlink.hpp"
#include "07-compose/network/endpoint.hpp"
#include "07-compose/network/network.hpp"

namespace drydock {

/// The bridge of the network is there and up, with the gateways as its addresses. A link of that
/// name that is there already is taken as it is.
/// @param here the host's network namespace
/// @return whether it was made now
bool make_bridge(const RouteSocket& here, const Network& network);

/// Removes the bridge, if Drydock made it.
void remove_bridge(const RouteSocket& here, const Network& network);
/// Whether the network's bridge is there.
bool has_bridge(const RouteSocket& here, const Network& network);

/// What one container's network namespace gets when it starts.
struct Wiring {
    const Endpoint& endpoint;
    const Network& network;
    bool default_route4 = false;  ///< its gateway is the container's way to everywhere
    bool default_route6 = false;
};
/// The container has its interface, with addresses and routes; its loopback is up.
/// @param network_namespace of the container
void plug_in(const RouteSocket& here, int network_namespace, const Wiring& wiring);
/// For a container without any endpoint.
void bring_loopback_up(int network_namespace);
/// The endpoint's interface is gone; nothing is said when it went already.
void unplug(const RouteSocket& here, const Endpoint& endpoint);
/// The default routes lead over these endpoints, and over no other (after connect and disconnect).
void set_default_routes(int network_namespace, const NetworkLease& lease, const Endpoint* default4,
                        const Endpoint* default6);

/// The network namespace of a process.
UniqueFd network_of_process(int pid);

/// Writes /proc/sys/net/NAME in the thread's network namespace, unless it has that value.
/// @return whether it was another before
bool set_network_sysctl(const std::string& name, const std::string& value);

}  // namespace drydock
