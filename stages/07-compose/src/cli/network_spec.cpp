#include "07-compose/cli/network_spec.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

constexpr int kLastPort = 65535;

[[noreturn]] void refuse(std::string_view where, std::string_view text) {
    throw InputError(fmt::format(
        "{}: \"{}\" is no port; expected [IP:][HOSTPORT[-HOSTPORT]:]PORT[-PORT][/tcp|udp|sctp]",
        where, text));
}

/// First and last of "80" or "8000-8010".
std::pair<int, int> parse_ports(std::string_view range, std::string_view where,
                                std::string_view text) {
    const auto number = [&](std::string_view digits) {
        int value = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size() || value < 0 ||
            value > kLastPort) {
            refuse(where, text);
        }
        return value;
    };
    const auto dash = range.find('-');
    const int first = number(range.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    if (last < first) {
        refuse(where, text);
    }
    return {first, last};
}

/// The address before the ports, which is taken off `rest`; an IPv6 one stands in brackets.
std::string take_address(std::string_view& rest, std::string_view where, std::string_view text) {
    if (rest.starts_with('[')) {
        const auto close = rest.find("]:");
        if (close == std::string_view::npos) {
            refuse(where, text);
        }
        std::string address(rest.substr(1, close - 1));
        rest.remove_prefix(close + 2);
        return address;
    }
    const auto first = rest.find(':');
    const auto second = first == std::string_view::npos ? first : rest.find(':', first + 1);
    if (second == std::string_view::npos) {
        return {};
    }
    std::string address(rest.substr(0, first));
    rest.remove_prefix(first + 1);
    return address;
}

json endpoint_json(const EndpointSpec& spec) {
    json object = json::object();
    if (!spec.aliases.empty()) {
        object["Aliases"] = spec.aliases;
    }
    if (!spec.ipv4.empty()) {
        object["IPAMConfig"]["IPv4Address"] = spec.ipv4;
    }
    if (!spec.ipv6.empty()) {
        object["IPAMConfig"]["IPv6Address"] = spec.ipv6;
    }
    if (!spec.mac.empty()) {
        object["MacAddress"] = spec.mac;
    }
    return object;
}

void put_words(json& object, const char* key, const std::vector<std::string>& words) {
    if (!words.empty()) {
        object[key] = words;
    }
}

}  // namespace

std::vector<PortSpec> parse_publish(std::string_view text, std::string_view where) {
    const auto slash = text.rfind('/');
    const std::string protocol(slash == std::string_view::npos ? "tcp" : text.substr(slash + 1));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
        refuse(where, text);
    }
    std::string_view rest = text.substr(0, slash);
    const std::string address = take_address(rest, where, text);
    const auto colon = rest.find(':');
    const std::string_view host = colon == std::string_view::npos ? "" : rest.substr(0, colon);
    const std::string_view inside = colon == std::string_view::npos ? rest : rest.substr(colon + 1);
    const auto [first, last] = parse_ports(inside, where, text);
    const int count = last - first + 1;
    if (first == 0) {
        refuse(where, text);
    }
    std::vector<PortSpec> specs;
    for (int i = 0; i < count; ++i) {
        specs.push_back({.container = fmt::format("{}/{}", first + i, protocol),
                         .host_ip = address,
                         .host_port = std::string(host)});
        if (host.empty() || count == 1) {
            continue;
        }
        const auto [host_first, host_last] = parse_ports(host, where, text);
        if (host_last - host_first + 1 != count) {
            throw InputError(
                fmt::format("{}: \"{}\": the two ranges have different lengths; expected the same",
                            where, text));
        }
        specs.back().host_port = std::to_string(host_first + i);
    }
    if (!host.empty() && count == 1) {
        parse_ports(host, where, text);
    }
    return specs;
}

void put_networks(json& body, const NetworkSpec& spec, const std::string& network) {
    json& host = body["HostConfig"];
    for (const std::string& text : spec.publish) {
        for (const PortSpec& port : parse_publish(text, "--publish")) {
            body["ExposedPorts"][port.container] = json::object();
            host["PortBindings"][port.container].push_back(
                {{"HostIp", port.host_ip}, {"HostPort", port.host_port}});
        }
    }
    for (const std::string& text : spec.expose) {
        for (const PortSpec& port : parse_publish(text, "--expose")) {
            body["ExposedPorts"][port.container] = json::object();
        }
    }
    if (spec.publish_all) {
        host["PublishAllPorts"] = true;
    }
    put_words(host, "Links", spec.links);
    put_words(host, "ExtraHosts", spec.extra_hosts);
    put_words(host, "Dns", spec.dns);
    put_words(host, "DnsSearch", spec.dns_search);
    put_words(host, "DnsOptions", spec.dns_options);
    if (!spec.domainname.empty()) {
        body["Domainname"] = spec.domainname;
    }
    json endpoints = json::object();
    for (const auto& [name, endpoint] : spec.endpoints) {
        endpoints[name] = endpoint_json(endpoint);
    }
    if (json first = endpoint_json(spec.first); !first.empty()) {
        endpoints[network.empty() ? "default" : network] = std::move(first);
    }
    if (!endpoints.empty()) {
        body["NetworkingConfig"]["EndpointsConfig"] = std::move(endpoints);
    }
}

}  // namespace drydock::cli
