#include "07-compose/network/endpoint.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using nlohmann::json;

std::string text_of_subnet(const std::optional<Subnet>& subnet) {
    return subnet ? to_text(*subnet) : "";
}

IpAddress stored_address(const json& value) {
    return parse_ip_address(value.get<std::string>()).value_or(IpAddress{});
}

Endpoint endpoint_from(const json& object) {
    Endpoint endpoint{
        .id = object.at("id"),
        .network_id = object.at("network_id"),
        .network_name = object.at("network_name"),
        .interface = object.at("interface"),
        .host_link = object.at("host_link"),
        .mac = parse_mac_address(object.at("mac").get<std::string>()).value_or(MacAddress{}),
        .ipv4 = parse_subnet(object.at("ipv4").get<std::string>()),
        .ipv6 = parse_subnet(object.at("ipv6").get<std::string>()),
        .gateway4 = stored_address(object.at("gateway4")),
        .gateway6 = stored_address(object.at("gateway6"))};
    object.at("names").get_to(endpoint.names);
    endpoint.links = object.value("links", std::vector<std::string>{});
    return endpoint;
}

json endpoint_json(const Endpoint& endpoint) {
    return {{"id", endpoint.id},
            {"network_id", endpoint.network_id},
            {"network_name", endpoint.network_name},
            {"interface", endpoint.interface},
            {"host_link", endpoint.host_link},
            {"mac", to_text(endpoint.mac)},
            {"ipv4", text_of_subnet(endpoint.ipv4)},
            {"ipv6", text_of_subnet(endpoint.ipv6)},
            {"gateway4", to_text(endpoint.gateway4)},
            {"gateway6", to_text(endpoint.gateway6)},
            {"names", endpoint.names},
            {"links", endpoint.links}};
}

}  // namespace

std::string to_json(const NetworkLease& lease) {
    json endpoints = json::array();
    for (const Endpoint& endpoint : lease.endpoints) {
        endpoints.push_back(endpoint_json(endpoint));
    }
    json ports = json::array();
    for (const PublishedPort& port : lease.ports) {
        ports.push_back({{"protocol", port.protocol},
                         {"host_address", to_text(port.host_address)},
                         {"host_port", port.host_port},
                         {"container_port", port.container_port}});
    }
    json object = {{"endpoints", endpoints}, {"ports", ports}};
    if (lease.proxy.pid != 0) {
        object["proxy"] = {{"pid", lease.proxy.pid}, {"start_time", lease.proxy.start_time}};
    }
    return object.dump(1, ' ', false, json::error_handler_t::replace);
}

NetworkLease lease_from_json(std::string_view text, std::string_view name_for_errors) {
    try {
        const json object = json::parse(text);
        NetworkLease lease;
        for (const json& endpoint : object.at("endpoints")) {
            lease.endpoints.push_back(endpoint_from(endpoint));
        }
        for (const json& port : object.at("ports")) {
            lease.ports.push_back({.protocol = port.at("protocol"),
                                   .host_address = stored_address(port.at("host_address")),
                                   .host_port = port.at("host_port"),
                                   .container_port = port.at("container_port")});
        }
        if (const auto proxy = object.find("proxy"); proxy != object.end()) {
            lease.proxy = {.pid = proxy->at("pid"), .start_time = proxy->at("start_time")};
        }
        return lease;
    } catch (const json::exception& e) {
        throw InputError(fmt::format("{}: {}", name_for_errors, e.what()));
    }
}

}  // namespace drydock
