#include "api/network_json.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "07-compose/engine/engine_error.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::string address_text(const std::optional<Subnet>& subnet) {
    return subnet ? to_text(subnet->address) : "";
}
int prefix_of(const std::optional<Subnet>& subnet) {
    return subnet ? subnet->prefix : 0;
}
std::string subnet_text(const std::optional<Subnet>& subnet) {
    return subnet ? to_text(*subnet) : "";
}

/// Of a network that may be gone by now.
std::string network_id(const Networks& networks, const std::string& name) {
    try {
        return networks.find(name).id;
    } catch (const EngineError&) {
        return {};
    }
}

/// One member of NetworkSettings.Networks.
json endpoint_json(const EndpointSettings& settings, const std::string& id,
                   const Endpoint* endpoint) {
    const Endpoint none;
    const Endpoint& shown = endpoint == nullptr ? none : *endpoint;
    json object = to_docker_json(settings);
    object.update({{"NetworkID", id},
                   {"EndpointID", shown.id},
                   {"Gateway", to_text(shown.gateway4)},
                   {"IPAddress", address_text(shown.ipv4)},
                   {"IPPrefixLen", prefix_of(shown.ipv4)},
                   {"IPv6Gateway", to_text(shown.gateway6)},
                   {"GlobalIPv6Address", address_text(shown.ipv6)},
                   {"GlobalIPv6PrefixLen", prefix_of(shown.ipv6)},
                   {"DNSNames", shown.names.empty() ? json(nullptr) : json(shown.names)}});
    if (endpoint != nullptr) {
        object["MacAddress"] = to_text(shown.mac);
    }
    return object;
}

json networks_of(const Container& container, const Networks& networks, const NetworkLease& lease) {
    json object = json::object();
    const std::string& mode = container.config.network_mode;
    if (mode == "none" || mode == "host") {
        object[mode] = endpoint_json({}, network_id(networks, mode), nullptr);
    }
    for (const auto& [name, settings] : container.config.network.endpoints) {
        const auto mine = std::ranges::find(lease.endpoints, name, &Endpoint::network_name);
        object[name] = endpoint_json(settings, network_id(networks, name),
                                     mine == lease.endpoints.end() ? nullptr : &*mine);
    }
    return object;
}

/// Every port that is exposed or published, with where it is reachable.
json ports_of(const Container& container, const NetworkLease& lease, bool running) {
    json object = json::object();
    if (!running) {
        return object;
    }
    for (const std::string& port : container.config.exposed_ports) {
        object[port.find('/') == std::string::npos ? port + "/tcp" : port] = nullptr;
    }
    for (const PublishedPort& port : lease.ports) {
        json& list = object[fmt::format("{}/{}", port.container_port, port.protocol)];
        list.push_back(
            {{"HostIp", to_text(port.host_address)}, {"HostPort", std::to_string(port.host_port)}});
    }
    return object;
}

json pool_config_json(const AddressPool& pool) {
    json object = {{"Subnet", to_text(pool.subnet)}, {"Gateway", to_text(pool.gateway)}};
    if (pool.range) {
        object["IPRange"] = to_text(*pool.range);
    }
    for (const auto& [name, address] : pool.reserved) {
        object["AuxiliaryAddresses"][name] = to_text(address);
    }
    return object;
}

}  // namespace

json container_networks_json(const Container& container, const Networks& networks) {
    return networks_of(container, networks,
                       networks.lease_of(container.id).value_or(NetworkLease{}));
}

json network_settings_json(const Container& container, const Networks& networks) {
    const auto running = networks.lease_of(container.id);
    const NetworkLease lease = running.value_or(NetworkLease{});
    // The members outside of Networks are those of the default network.
    const auto bridge =
        std::ranges::find(lease.endpoints, std::string(kBridgeNetwork), &Endpoint::network_name);
    const Endpoint first = bridge == lease.endpoints.end() ? Endpoint{} : *bridge;
    const int pid = container.state.pid;
    return {{"Bridge", ""},
            {"SandboxID", pid == 0 ? "" : container.id},
            {"SandboxKey", pid == 0 ? "" : fmt::format("/proc/{}/ns/net", pid)},
            {"Ports", ports_of(container, lease, pid != 0)},
            {"HairpinMode", false},
            {"LinkLocalIPv6Address", ""},
            {"LinkLocalIPv6PrefixLen", 0},
            {"SecondaryIPAddresses", nullptr},
            {"SecondaryIPv6Addresses", nullptr},
            {"EndpointID", first.id},
            {"Gateway", to_text(first.gateway4)},
            {"GlobalIPv6Address", address_text(first.ipv6)},
            {"GlobalIPv6PrefixLen", prefix_of(first.ipv6)},
            {"IPAddress", address_text(first.ipv4)},
            {"IPPrefixLen", prefix_of(first.ipv4)},
            {"IPv6Gateway", to_text(first.gateway6)},
            {"MacAddress", first.id.empty() ? "" : to_text(first.mac)},
            {"Networks", networks_of(container, networks, lease)}};
}

json ports_list_json(const Container& container, const Networks& networks) {
    json list = json::array();
    const auto running = networks.lease_of(container.id);
    const json ports =
        ports_of(container, running.value_or(NetworkLease{}), container.state.pid != 0);
    for (const auto& [text, bindings] : ports.items()) {
        const ContainerPort port = parse_container_port(text);
        if (bindings.is_null()) {
            list.push_back({{"PrivatePort", port.port}, {"Type", port.protocol}});
            continue;
        }
        for (const json& binding : bindings) {
            list.push_back({{"IP", binding["HostIp"]},
                            {"PrivatePort", port.port},
                            {"PublicPort", std::stoi(binding["HostPort"].get<std::string>())},
                            {"Type", port.protocol}});
        }
    }
    return list;
}

json network_warnings(const ContainerConfig& config) {
    json warnings = json::array();
    const std::string& mode = config.network_mode;
    if ((mode == "host" || mode == "none") &&
        (!config.network.ports.empty() || config.network.publish_all)) {
        warnings.push_back(
            fmt::format("Published ports are discarded when using {} network mode", mode));
    }
    return warnings;
}

void put_network_host_config(json& host, const ContainerConfig& config) {
    const NetworkSettings& network = config.network;
    host["NetworkMode"] = config.network_mode;
    host["PublishAllPorts"] = network.publish_all;
    host["PortBindings"] = json::object();
    for (const auto& [port, bindings] : network.ports) {
        host["PortBindings"][port] = json::array();
        for (const PortBinding& one : bindings) {
            host["PortBindings"][port].push_back(
                {{"HostIp", one.host_ip}, {"HostPort", one.host_port}});
        }
    }
    host["ExtraHosts"] = network.extra_hosts.empty() ? json(nullptr) : json(network.extra_hosts);
    host["Dns"] = network.dns;
    host["DnsSearch"] = network.dns_search;
    host["DnsOptions"] = network.dns_options;
}

json network_json(const Network& network, const Networks& networks, bool members) {
    json config = json::array();
    for (const AddressPool& pool : network.pools) {
        config.push_back(pool_config_json(pool));
    }
    json containers = json::object();
    if (members) {
        for (const NetworkMember& member : networks.members(network.id)) {
            containers[member.container_id] = {{"Name", member.container_name},
                                               {"EndpointID", member.endpoint.id},
                                               {"MacAddress", to_text(member.endpoint.mac)},
                                               {"IPv4Address", subnet_text(member.endpoint.ipv4)},
                                               {"IPv6Address", subnet_text(member.endpoint.ipv6)}};
        }
    }
    return {
        {"Name", network.name},
        {"Id", network.id},
        {"Created", to_text(network.created)},
        {"Scope", "local"},
        {"Driver", network.driver},
        {"EnableIPv6", network.ipv6},
        {"IPAM",
         {{"Driver", "default"},
          {"Options", network.ipam_options.empty() ? json(nullptr) : json(network.ipam_options)},
          {"Config", config}}},
        {"Internal", network.internal},
        {"Attachable", network.attachable},
        {"Ingress", false},
        {"ConfigFrom", {{"Network", ""}}},
        {"ConfigOnly", false},
        {"Containers", containers},
        {"Options", network.options},
        {"Labels", network.labels}};
}

}  // namespace drydock::api
