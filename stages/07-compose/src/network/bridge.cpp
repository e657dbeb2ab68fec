#include "07-compose/network/bridge.hpp"

#include <fcntl.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "01-chroot/file.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "07-compose/network/address_pools.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr int kLoopback = 1;  // the index of "lo" in every network namespace

/// The link was made by us for that network: `ip link` shows it.
std::string mark_of(const Network& network) {
    return "drydock " + network.id;
}

Subnet gateway_in_subnet(const AddressPool& pool) {
    return {pool.gateway, pool.subnet.prefix};
}

/// Settings that a bridge must have before the first packet.
void set_bridge_sysctls(const Network& network, const std::string& bridge) {
    // What arrives for a published port of 127.0.0.1 leaves by the bridge, and its answer comes
    // back there. (The firewall keeps others from 127.0.0.1.)
    set_network_sysctl("ipv4/conf/" + bridge + "/route_localnet", "1");
    if (!fs::exists("/proc/sys/net/ipv6/conf/" + bridge)) {
        return;
    }
    // A container is no router of the host: CVE-2020-13401.
    set_network_sysctl("ipv6/conf/" + bridge + "/accept_ra", "0");
    if (pool_of(network, AF_INET6) == nullptr) {
        set_network_sysctl("ipv6/conf/" + bridge + "/disable_ipv6", "1");
    }
}

void ignore_what_is_there(const RouteSocket& socket, const NetlinkBatch& batch) {
    try {
        socket.send(batch);
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::file_exists) {
            throw;
        }
    }
}

void ignore_what_is_gone(const RouteSocket& socket, const NetlinkBatch& batch) {
    try {
        socket.send(batch);
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::no_such_device && e.code() != std::errc::no_such_process) {
            throw;
        }
    }
}

void configure_inside(int network_namespace, const Wiring& wiring) {
    const VisitedNetwork visit(network_namespace);
    const RouteSocket there;
    const Endpoint& endpoint = wiring.endpoint;
    if (!endpoint.ipv6 && fs::exists("/proc/sys/net/ipv6/conf/" + endpoint.interface)) {
        set_network_sysctl("ipv6/conf/" + endpoint.interface + "/disable_ipv6", "1");
    }
    const int link = link_index(there, endpoint.interface);
    NetlinkBatch batch;
    set_up(batch, kLoopback);
    set_up(batch, link);
    for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
        if (address) {
            add_link_address(batch, link, *address);
        }
    }
    if (wiring.default_route4 && endpoint.gateway4) {
        add_route(batch, {.gateway = endpoint.gateway4, .link = link});
    }
    if (wiring.default_route6 && endpoint.gateway6) {
        add_route(batch, {.gateway = endpoint.gateway6, .link = link});
    }
    there.send(batch);
}

}  // namespace

UniqueFd network_of_process(int pid) {
    return open_file(fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
}

bool set_network_sysctl(const std::string& name, const std::string& value) {
    const fs::path path = "/proc/sys/net/" + name;
    if (read_file(path) == value + "\n") {
        return false;
    }
    const UniqueFd file = open_file(path, O_WRONLY);
    write_all(file.get(), value, path.native());
    return true;
}

bool make_bridge(const RouteSocket& here, const Network& network) {
    const BridgeOptions options = bridge_options(network);
    int link = link_index(here, options.name);
    const bool is_new = link == 0;
    if (is_new) {
        NetlinkBatch batch;
        add_bridge(batch, {.name = options.name,
                           .alias = mark_of(network),
                           .mac = mac_address_for(network.pools.front().gateway),
                           .mtu = options.mtu});
        here.send(batch);
        link = link_index(here, options.name);
        set_bridge_sysctls(network, options.name);
    }
    for (const AddressPool& pool : network.pools) {
        NetlinkBatch batch;
        add_link_address(batch, link, gateway_in_subnet(pool));
        ignore_what_is_there(here, batch);
    }
    NetlinkBatch batch;
    set_up(batch, link);
    here.send(batch);
    return is_new;
}

void remove_bridge(const RouteSocket& here, const Network& network) {
    const std::string name = bridge_options(network).name;
    if (link_alias(here, name) == mark_of(network)) {
        NetlinkBatch batch;
        delete_link(batch, name);
        ignore_what_is_gone(here, batch);
    }
}

bool has_bridge(const RouteSocket& here, const Network& network) {
    return link_index(here, bridge_options(network).name) != 0;
}

// [region: plug-in]
void plug_in(const RouteSocket& here, int network_namespace, const Wiring& wiring) {
    const BridgeOptions options = bridge_options(wiring.network);
    NetlinkBatch outside;
    add_veth(outside, {.name = wiring.endpoint.host_link,
                       .bridge = link_index(here, options.name),
                       .mtu = options.mtu,
                       .peer_name = wiring.endpoint.interface,
                       .peer_network = network_namespace,
                       .peer_mac = wiring.endpoint.mac});
    if (!options.icc) {
        isolate_port(outside, wiring.endpoint.host_link);
    }
    here.send(outside);
    configure_inside(network_namespace, wiring);
}
// [/region]

void bring_loopback_up(int network_namespace) {
    const VisitedNetwork visit(network_namespace);
    loopback_up();
}

void unplug(const RouteSocket& here, const Endpoint& endpoint) {
    NetlinkBatch batch;
    delete_link(batch, endpoint.host_link);
    ignore_what_is_gone(here, batch);
}

void set_default_routes(int network_namespace, const NetworkLease& lease, const Endpoint* default4,
                        const Endpoint* default6) {
    const VisitedNetwork visit(network_namespace);
    const RouteSocket there;
    for (const Endpoint& endpoint : lease.endpoints) {
        const int link = link_index(there, endpoint.interface);
        for (const IpAddress& gateway : {endpoint.gateway4, endpoint.gateway6}) {
            const Endpoint* wanted = gateway.is_v6() ? default6 : default4;
            if (!gateway || link == 0) {
                continue;
            }
            NetlinkBatch batch;
            if (wanted == &endpoint) {
                add_route(batch, {.gateway = gateway, .link = link});
                ignore_what_is_there(there, batch);
            } else {
                delete_default_route(batch, link, gateway);
                ignore_what_is_gone(there, batch);
            }
        }
    }
}

}  // namespace drydock
