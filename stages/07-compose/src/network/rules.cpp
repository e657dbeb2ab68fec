// What the firewall is told, from what networks and containers there are.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "07-compose/network/bridge.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock {

void Networks::reassert() {
    std::vector<Network> used;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, network] : networks_) {
            const bool in_use = std::ranges::any_of(running_, [&, &wanted = id](const auto& one) {
                return std::ranges::any_of(
                    one.second.lease.endpoints,
                    [&](const Endpoint& endpoint) { return endpoint.network_id == wanted; });
            });
            if (in_use) {
                used.push_back(network);
            }
        }
    }
    for (const Network& network : used) {
        try {
            ensure_bridge(network);
        } catch (const std::exception& e) {
            warn(e.what());
        }
    }
    if (!used.empty()) {
        apply_rules();
    }
    renew_proxies();
}

FirewallRules Networks::rules() const {
    const std::lock_guard lock(mutex_);
    FirewallRules rules{.forwards_only_ours = forwards_only_ours_, .nat = kernel_forwards_};
    for (const auto& [id, network] : networks_) {
        if (network.driver != "bridge") {
            continue;
        }
        const BridgeOptions options = bridge_options(network);
        const AddressPool* v4 = pool_of(network, AF_INET);
        const AddressPool* v6 = pool_of(network, AF_INET6);
        rules.networks.push_back({.bridge = options.name,
                                  .ipv4 = v4 ? std::optional(v4->subnet) : std::nullopt,
                                  .ipv6 = v6 ? std::optional(v6->subnet) : std::nullopt,
                                  .internal = network.internal,
                                  .masquerade = options.masquerade});
    }
    for (const auto& [id, running] : running_) {
        for (const Endpoint& endpoint : running.lease.endpoints) {
            rules.links.push_back({.link = endpoint.host_link,
                                   .mac = endpoint.mac,
                                   .ipv4 = endpoint.ipv4 ? endpoint.ipv4->address : IpAddress{},
                                   .ipv6 = endpoint.ipv6 ? endpoint.ipv6->address : IpAddress{}});
        }
        for (const PublishedPort& port : running.lease.ports) {
            const Endpoint* target = default_endpoint(running.lease, port.host_address.family);
            if (target != nullptr) {
                const auto& address = port.host_address.is_v6() ? target->ipv6 : target->ipv4;
                rules.forwardings.push_back({.protocol = port.protocol,
                                             .host_address = port.host_address,
                                             .host_port = port.host_port,
                                             .container_address = address->address,
                                             .container_port = port.container_port});
            }
        }
    }
    return rules;
}

void Networks::apply_rules() {
    std::string why;
    try {
        firewall_.apply([this] { return rules(); });
        const std::lock_guard lock(mutex_);
        rules_applied_ = true;
        return;
    } catch (const std::exception& e) {
        why = e.what();
    }
    bool was_ever = false;
    {
        const std::lock_guard lock(mutex_);
        was_ever = rules_applied_;
        kernel_forwards_ = kernel_forwards_ && was_ever;
    }
    if (was_ever) {
        warn(fmt::format("the firewall's rules are as they were before: {}", why));
        return;
    }
    try {
        firewall_.apply([this] { return rules(); });
        warn(
            fmt::format("no NAT: {}. Published ports are served by proxies, and the outside sees "
                        "containers with their own addresses; the kernel needs nf_tables with nat",
                        why));
        const std::lock_guard lock(mutex_);
        rules_applied_ = true;
    } catch (const std::exception& e) {
        warn(fmt::format(
            "no firewall: {}. Containers on bridges reach the host and each other only, networks "
            "are not kept apart, and published ports are served by proxies; the kernel needs "
            "nf_tables",
            e.what()));
    }
}

}  // namespace drydock
