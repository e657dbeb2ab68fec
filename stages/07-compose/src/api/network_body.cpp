#include "api/network_body.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "api/body_member.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;
using Texts = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

json object_at(const json& object, const std::string& pointer) {
    json found = body_part<json>(object, pointer, "an object");
    if (!found.is_object() && !found.is_null()) {
        throw InputError(fmt::format("request body: at {}: expected an object", pointer));
    }
    return found.is_null() ? json::object() : found;
}

std::vector<PortBinding> read_bindings(const std::string& port, const json& list) {
    std::vector<PortBinding> bindings;
    if (list.is_null()) {
        return bindings;
    }
    if (!list.is_array()) {
        throw InputError(
            fmt::format("request body: at /HostConfig/PortBindings/{}: expected an array", port));
    }
    for (const json& one : list) {
        bindings.push_back({.host_ip = body_part<std::string>(one, "/HostIp", "a string"),
                            .host_port = body_part<std::string>(one, "/HostPort", "a string")});
    }
    return bindings;
}

PoolRequest read_pool(const json& config) {
    return {.subnet = body_part<std::string>(config, "/Subnet", "a string"),
            .range = body_part<std::string>(config, "/IPRange", "a string"),
            .gateway = body_part<std::string>(config, "/Gateway", "a string"),
            .reserved = body_part<Texts>(config, "/AuxiliaryAddresses", "an object of strings")};
}

}  // namespace

std::string read_network_mode(const json& body) {
    const auto mode = body_part<std::string>(body, "/HostConfig/NetworkMode", "a string");
    if (mode == "container:") {
        throw InputError(
            "Invalid network mode: a container's name or ID must follow \"container:\"");
    }
    return mode.empty() ? "default" : mode;
}

NetworkSettings read_network_settings(const json& body) {
    NetworkSettings settings{
        .publish_all = body_part<bool>(body, "/HostConfig/PublishAllPorts", "true or false"),
        .extra_hosts = body_part<Words>(body, "/HostConfig/ExtraHosts", "an array of strings"),
        .dns = body_part<Words>(body, "/HostConfig/Dns", "an array of strings"),
        .dns_search = body_part<Words>(body, "/HostConfig/DnsSearch", "an array of strings"),
        .dns_options = body_part<Words>(body, "/HostConfig/DnsOptions", "an array of strings"),
        .domainname = body_part<std::string>(body, "/Domainname", "a string")};
    const json bindings = object_at(body, "/HostConfig/PortBindings");
    for (const auto& [port, list] : bindings.items()) {
        settings.ports[port] = read_bindings(port, list);
    }
    const json endpoints = object_at(body, "/NetworkingConfig/EndpointsConfig");
    for (const auto& [network, endpoint] : endpoints.items()) {
        settings.endpoints[network] = endpoint_settings_from_docker(endpoint);
    }
    const auto links = body_part<Words>(body, "/HostConfig/Links", "an array of strings");
    if (!links.empty()) {
        EndpointSettings& first = settings.endpoints[read_network_mode(body)];
        first.links.insert(first.links.end(), links.begin(), links.end());
    }
    // Before API 1.44 the address belonged to the container.
    if (const auto mac = body_part<std::string>(body, "/MacAddress", "a string"); !mac.empty()) {
        EndpointSettings& first = settings.endpoints[read_network_mode(body)];
        first.mac = first.mac.empty() ? mac : first.mac;
    }
    return settings;
}

NetworkRequest read_network_request(const json& body) {
    NetworkRequest request{
        .name = body_part<std::string>(body, "/Name", "a string"),
        .driver = body_part<std::string>(body, "/Driver", "a string"),
        .internal = body_part<bool>(body, "/Internal", "true or false"),
        .attachable = body_part<bool>(body, "/Attachable", "true or false"),
        .ipv6 = body_part<bool>(body, "/EnableIPv6", "true or false"),
        .ipam_options = body_part<Texts>(body, "/IPAM/Options", "an object of strings"),
        .options = body_part<Texts>(body, "/Options", "an object of strings"),
        .labels = body_part<Texts>(body, "/Labels", "an object of strings")};
    if (body_part<bool>(body, "/Ingress", "true or false") ||
        body_part<bool>(body, "/ConfigOnly", "true or false")) {
        throw NotImplemented("networks of a swarm");
    }
    if (const auto driver = body_part<std::string>(body, "/IPAM/Driver", "a string");
        !driver.empty() && driver != "default") {
        throw NotImplemented(fmt::format("the IPAM driver {}", driver));
    }
    for (const json& config : body_part<json>(body, "/IPAM/Config", "an array")) {
        request.pools.push_back(read_pool(config));
    }
    return request;
}

}  // namespace drydock::api
