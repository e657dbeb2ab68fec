#include "07-compose/network/settings.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using nlohmann::json;

json words_or_nothing(const std::vector<std::string>& words) {
    return words.empty() ? json(nullptr) : json(words);
}

/// The member as T; T{} when it is missing or null.
template <class T>
T given(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return T{};
    }
    try {
        return found->get<T>();
    } catch (const json::exception&) {
        throw InputError(
            fmt::format("endpoint settings: at /{}: not of the kind it should be", key));
    }
}

json ports_json(const std::map<std::string, std::vector<PortBinding>>& ports) {
    json object = json::object();
    for (const auto& [port, bindings] : ports) {
        object[port] = json::array();
        for (const PortBinding& one : bindings) {
            object[port].push_back({{"HostIp", one.host_ip}, {"HostPort", one.host_port}});
        }
    }
    return object;
}

}  // namespace

json to_docker_json(const EndpointSettings& settings) {
    json ipam = nullptr;
    if (!settings.ipv4.empty()) {
        ipam["IPv4Address"] = settings.ipv4;
    }
    if (!settings.ipv6.empty()) {
        ipam["IPv6Address"] = settings.ipv6;
    }
    return {{"IPAMConfig", ipam},
            {"Links", words_or_nothing(settings.links)},
            {"Aliases", words_or_nothing(settings.aliases)},
            {"MacAddress", settings.mac},
            {"DriverOpts",
             settings.driver_options.empty() ? json(nullptr) : json(settings.driver_options)}};
}

EndpointSettings endpoint_settings_from_docker(const json& object) {
    if (object.is_null()) {
        return {};
    }
    if (!object.is_object()) {
        throw InputError("endpoint settings: expected an object");
    }
    const json ipam = given<json>(object, "IPAMConfig");
    const json addresses = ipam.is_object() ? ipam : json::object();
    return {.aliases = given<std::vector<std::string>>(object, "Aliases"),
            .links = given<std::vector<std::string>>(object, "Links"),
            .ipv4 = given<std::string>(addresses, "IPv4Address"),
            .ipv6 = given<std::string>(addresses, "IPv6Address"),
            .mac = given<std::string>(object, "MacAddress"),
            .driver_options = given<std::map<std::string, std::string>>(object, "DriverOpts")};
}

json to_stored_json(const NetworkSettings& settings) {
    json endpoints = json::object();
    for (const auto& [network, endpoint] : settings.endpoints) {
        endpoints[network] = to_docker_json(endpoint);
    }
    return {{"endpoints", endpoints},
            {"ports", ports_json(settings.ports)},
            {"publish_all", settings.publish_all},
            {"extra_hosts", settings.extra_hosts},
            {"dns", settings.dns},
            {"dns_search", settings.dns_search},
            {"dns_options", settings.dns_options},
            {"domainname", settings.domainname}};
}

NetworkSettings network_settings_from(const json& object) {
    if (!object.is_object()) {
        return {};
    }
    NetworkSettings settings{.publish_all = given<bool>(object, "publish_all"),
                             .extra_hosts = given<std::vector<std::string>>(object, "extra_hosts"),
                             .dns = given<std::vector<std::string>>(object, "dns"),
                             .dns_search = given<std::vector<std::string>>(object, "dns_search"),
                             .dns_options = given<std::vector<std::string>>(object, "dns_options"),
                             .domainname = given<std::string>(object, "domainname")};
    const json endpoints = given<json>(object, "endpoints");
    for (const auto& [network, endpoint] : endpoints.items()) {
        settings.endpoints[network] = endpoint_settings_from_docker(endpoint);
    }
    const json ports = given<json>(object, "ports");
    for (const auto& [port, bindings] : ports.items()) {
        auto& all = settings.ports[port];
        for (const json& one : bindings) {
            all.push_back({.host_ip = given<std::string>(one, "HostIp"),
                           .host_port = given<std::string>(one, "HostPort")});
        }
    }
    return settings;
}

}  // namespace drydock
