#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "02-namespaces/link.hpp"
#include "07-compose/network/network.hpp"

namespace drydock {

/// What a client says about a network's addresses: "" for what it leaves to us.
struct PoolRequest {
    std::string subnet{};
    std::string range{};
    std::string gateway{};
    std::map<std::string, std::string> reserved{};
};

/// The pool that was asked for, with what was left open: the subnet is the first of Docker's own
/// (172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20) that overlaps none of
/// `taken`, the gateway its first address.
/// @throws InputError for what is no subnet or no address in it; EngineError Forbidden in docker's
/// words when it overlaps
AddressPool make_pool(const PoolRequest& request, const std::vector<Subnet>& taken);

/// A /64 of private IPv6 addresses (fd00::/8, RFC 4193) that belongs to the network with this ID.
Subnet private_ipv6_subnet(const std::string& network_id);

/// The lowest address of the pool that may be given out and is not in `used`.
/// @param network for the error
/// @throws std::runtime_error in docker's words when there is none left
IpAddress free_address(const AddressPool& pool, const std::set<IpAddress>& used,
                       const Network& network);

/// The address that a client wants in that network.
/// @throws InputError for what is none, is outside of every pool, or has another use; EngineError
/// Forbidden "Address already in use" when it is in `used`
IpAddress wanted_address(const std::string& text, const Network& network,
                         const std::set<IpAddress>& used);

/// 02:42 and the four bytes of an IPv4 address, so that an address that is given out again is found
/// where its neighbours remember it; random bytes for any other.
MacAddress mac_address_for(const IpAddress& address);

}  // namespace drydock
