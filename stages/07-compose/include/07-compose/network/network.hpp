#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "07-compose/engine/time_text.hpp"

namespace drydock {

/// Addresses that the members of a network get: Docker's IPAM config.
struct AddressPool {
    Subnet subnet{};                ///< its address is the subnet's first
    std::optional<Subnet> range{};  ///< where addresses are given out; nothing: the whole subnet
    IpAddress gateway{};            ///< the host's address in it
    std::map<std::string, IpAddress> reserved{};  ///< "AuxiliaryAddresses": never given out
};

/// A network as it lies on disk, in DATA_ROOT/networks/<id>.json.
struct Network {
    std::string id{};               ///< 64 hexadecimal digits
    std::string name{};             ///< as the client gave it
    std::string driver = "bridge";  ///< "bridge", "host", "null"
    Time created{};
    bool internal = false;  ///< no way to the outside, none from there
    bool attachable = false;
    bool ipv6 = false;
    std::vector<AddressPool> pools{};  ///< one at least when the driver is "bridge"
    std::map<std::string, std::string> ipam_options{};
    std::map<std::string, std::string> options{};  ///< of the driver
    std::map<std::string, std::string> labels{};
};

/// The three that are always there.
inline constexpr std::string_view kBridgeNetwork = "bridge";
inline constexpr std::string_view kHostNetwork = "host";
inline constexpr std::string_view kNoNetwork = "none";
bool is_predefined(std::string_view name);

/// Docker's options of the bridge driver, with their defaults.
struct BridgeOptions {
    std::string name{};  ///< of the link: "br-" and 12 digits of the ID, "drydock0" for `bridge`
    int mtu = 1500;
    bool icc = true;           ///< containers reach each other
    bool masquerade = true;    ///< outside they are seen with the host's address
    IpAddress host_binding{};  ///< where ports are published that name no address; none: everywhere
};
/// @throws InputError for an option that Docker does not have or a value it does not take
BridgeOptions bridge_options(const Network& network);

/// The first pool of that address family; nullptr when there is none.
const AddressPool* pool_of(const Network& network, int family);

/// @throws InputError in docker's words
void check_network_name(const std::string& name);

std::string to_json(const Network& network);
/// @throws InputError naming the place that is not as to_json writes it
Network network_from_json(std::string_view text, std::string_view name_for_errors);

}  // namespace drydock
