#include "07-compose/network/network.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "02-namespaces/link.hpp"
#include "07-compose/engine/filters.hpp"

namespace drydock {
namespace {

using nlohmann::json;

IpAddress address_from(const json& value) {
    return parse_ip_address(value.get<std::string>()).value_or(IpAddress{});
}

json pool_json(const AddressPool& pool) {
    json reserved = json::object();
    for (const auto& [name, address] : pool.reserved) {
        reserved[name] = to_text(address);
    }
    return {{"subnet", to_text(pool.subnet)},
            {"range", pool.range ? json(to_text(*pool.range)) : json(nullptr)},
            {"gateway", to_text(pool.gateway)},
            {"reserved", reserved}};
}

AddressPool pool_from(const json& object) {
    AddressPool pool{.subnet = parse_subnet(object.at("subnet").get<std::string>()).value(),
                     .gateway = address_from(object.at("gateway"))};
    if (!object.at("range").is_null()) {
        pool.range = parse_subnet(object.at("range").get<std::string>());
    }
    for (const auto& [name, address] : object.at("reserved").items()) {
        pool.reserved[name] = address_from(address);
    }
    return pool;
}

int parse_mtu(const std::string& value) {
    int mtu = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), mtu);
    // Ethernet's least, and the most that the kernel gives a veth.
    constexpr int kLeast = 68;
    constexpr int kMost = 65535;
    if (error != std::errc() || end != value.data() + value.size() || mtu < kLeast || mtu > kMost) {
        throw InputError(
            fmt::format("network option com.docker.network.driver.mtu={}: expected {} to {}", value,
                        kLeast, kMost));
    }
    return mtu;
}

void apply(BridgeOptions& result, const std::string& key, const std::string& value) {
    if (key == "com.docker.network.bridge.name") {
        if (!is_link_name(value)) {
            throw InputError(
                fmt::format("network option {}={}: expected the name of a link, 1 to {} characters",
                            key, value, kMaxLinkName));
        }
        result.name = value;
    } else if (key == "com.docker.network.driver.mtu") {
        result.mtu = parse_mtu(value);
    } else if (key == "com.docker.network.bridge.enable_icc") {
        result.icc = is_true(value);
    } else if (key == "com.docker.network.bridge.enable_ip_masquerade") {
        result.masquerade = is_true(value);
    } else if (key == "com.docker.network.bridge.host_binding_ipv4") {
        const auto address = parse_ip_address(value);
        if (!address) {
            throw InputError(fmt::format("network option {}={}: expected an address", key, value));
        }
        result.host_binding = *address;
    }
    // Clients send options of other drivers and of newer Dockers; they are kept and shown as given.
}

}  // namespace

bool is_predefined(std::string_view name) {
    return name == kBridgeNetwork || name == kHostNetwork || name == kNoNetwork;
}

BridgeOptions bridge_options(const Network& network) {
    BridgeOptions result{.name = network.name == kBridgeNetwork ? "drydock0"
                                                                : "br-" + network.id.substr(0, 12)};
    for (const auto& [key, value] : network.options) {
        apply(result, key, value);
    }
    return result;
}

const AddressPool* pool_of(const Network& network, int family) {
    const auto found = std::ranges::find_if(network.pools, [&](const AddressPool& pool) {
        return pool.subnet.address.family == family;
    });
    return found == network.pools.end() ? nullptr : &*found;
}

void check_network_name(const std::string& name) {
    const auto allowed = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    if (name.empty() || std::isalnum(static_cast<unsigned char>(name.front())) == 0 ||
        !std::ranges::all_of(name, allowed)) {
        throw InputError(fmt::format(
            "invalid network name \"{}\": only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed", name));
    }
}

std::string to_json(const Network& network) {
    json pools = json::array();
    for (const AddressPool& pool : network.pools) {
        pools.push_back(pool_json(pool));
    }
    const json object = {{"version", 1},
                         {"id", network.id},
                         {"name", network.name},
                         {"driver", network.driver},
                         {"created", to_text(network.created)},
                         {"internal", network.internal},
                         {"attachable", network.attachable},
                         {"ipv6", network.ipv6},
                         {"pools", pools},
                         {"ipam_options", network.ipam_options},
                         {"options", network.options},
                         {"labels", network.labels}};
    return object.dump(1, ' ', false, json::error_handler_t::replace);
}

Network network_from_json(std::string_view text, std::string_view name_for_errors) {
    try {
        const json object = json::parse(text);
        const auto created = parse_time(object.at("created").get<std::string>());
        if (object.at("version") != 1 || !created) {
            throw InputError(
                fmt::format("{}: expected version 1 and a time of creation", name_for_errors));
        }
        Network network{.id = object.at("id"),
                        .name = object.at("name"),
                        .driver = object.at("driver"),
                        .created = *created,
                        .internal = object.at("internal"),
                        .attachable = object.at("attachable"),
                        .ipv6 = object.at("ipv6")};
        object.at("ipam_options").get_to(network.ipam_options);
        object.at("options").get_to(network.options);
        object.at("labels").get_to(network.labels);
        for (const json& pool : object.at("pools")) {
            network.pools.push_back(pool_from(pool));
        }
        return network;
    } catch (const json::exception& e) {
        throw InputError(fmt::format("{}: {}", name_for_errors, e.what()));
    } catch (const std::bad_optional_access&) {
        throw InputError(fmt::format("{}: expected subnets as ADDRESS/PREFIX", name_for_errors));
    }
}

}  // namespace drydock
