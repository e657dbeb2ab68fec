#include "api/network_trace.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

/// One of a link's counters; 0 for a link that is gone.
std::uint64_t counter(const std::string& link, const char* name) {
    try {
        return std::stoull(
            read_file(std::filesystem::path("/sys/class/net") / link / "statistics" / name));
    } catch (const std::exception&) {
        return 0;
    }
}

/// Counters of a link of the host. What a veth's outer end receives, the container has sent.
json counters_json(const std::string& link) {
    return {{"Link", link},
            {"RxPackets", counter(link, "rx_packets")},
            {"RxBytes", counter(link, "rx_bytes")},
            {"RxDropped", counter(link, "rx_dropped")},
            {"TxPackets", counter(link, "tx_packets")},
            {"TxBytes", counter(link, "tx_bytes")},
            {"TxDropped", counter(link, "tx_dropped")}};
}

json endpoint_trace(const Endpoint& endpoint, const Network& network, bool is_default) {
    const BridgeOptions options = bridge_options(network);
    return {{"Network", network.name},
            {"Interface", endpoint.interface},
            {"IPv4Address", endpoint.ipv4 ? to_text(*endpoint.ipv4) : ""},
            {"IPv6Address", endpoint.ipv6 ? to_text(*endpoint.ipv6) : ""},
            {"MacAddress", to_text(endpoint.mac)},
            {"Gateway", to_text(endpoint.gateway4)},
            {"Default", is_default},
            {"Veth", counters_json(endpoint.host_link)},
            {"Bridge", counters_json(options.name)},
            {"Internal", network.internal},
            {"Masquerade", options.masquerade && !network.internal}};
}

}  // namespace

json network_trace_json(const Container& container, const Networks& networks) {
    const NetworkLease lease = networks.lease_of(container.id).value_or(NetworkLease{});
    const Endpoint* first = default_endpoint(lease, AF_INET);
    json endpoints = json::array();
    for (const Endpoint& endpoint : lease.endpoints) {
        endpoints.push_back(
            endpoint_trace(endpoint, networks.find(endpoint.network_id), &endpoint == first));
    }
    json ports = json::array();
    const std::vector<ProxiedBinding> proxied = networks.proxied_of(container.id);
    for (const PublishedPort& port : lease.ports) {
        const bool by_proxy =
            std::ranges::find(proxied, port, &ProxiedBinding::port) != proxied.end();
        ports.push_back({{"Protocol", port.protocol},
                         {"HostAddress", to_text(port.host_address)},
                         {"HostPort", port.host_port},
                         {"Way", by_proxy ? "proxy" : "NAT"},
                         {"ContainerPort", port.container_port}});
    }
    return {{"Name", container.name},
            {"Mode", container.config.network_mode},
            {"Running", container.state.pid != 0},
            {"Endpoints", endpoints},
            {"Ports", ports}};
}

}  // namespace drydock::api
