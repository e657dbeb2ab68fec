#include "07-compose/network/address_pools.hpp"

#include <sys/random.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "07-compose/engine/engine_error.hpp"

namespace drydock {
namespace {

bool overlaps_any(const Subnet& subnet, const std::vector<Subnet>& taken) {
    return std::ranges::any_of(taken, [&](const Subnet& other) { return overlap(subnet, other); });
}

Subnet free_default_subnet(const std::vector<Subnet>& taken) {
    constexpr std::uint64_t kClassB = 1U << 16U;
    constexpr std::uint64_t kTwentieth = 1U << 12U;
    for (std::uint64_t i = 0; i < 15; ++i) {
        const Subnet one{plus(*parse_ip_address("172.17.0.0"), i * kClassB), 16};
        if (!overlaps_any(one, taken)) {
            return one;
        }
    }
    for (std::uint64_t i = 0; i < 16; ++i) {
        const Subnet one{plus(*parse_ip_address("192.168.0.0"), i * kTwentieth), 20};
        if (!overlaps_any(one, taken)) {
            return one;
        }
    }
    throw std::runtime_error(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to "
        "assign to the network");
}

Subnet read_subnet(const std::string& text, const char* what) {
    const auto subnet = parse_subnet(text);
    if (!subnet) {
        throw InputError(
            fmt::format("invalid {} \"{}\": expected ADDRESS/PREFIX like 10.1.0.0/24", what, text));
    }
    return {first_address(*subnet), subnet->prefix};
}

IpAddress read_member(const std::string& text, const Subnet& subnet, const char* what) {
    const auto address = parse_ip_address(text);
    if (!address) {
        throw InputError(fmt::format("invalid {} \"{}\": expected an address", what, text));
    }
    if (!contains(subnet, *address)) {
        throw InputError(
            fmt::format("invalid {} {}: it is not in the subnet {}", what, text, to_text(subnet)));
    }
    return *address;
}

/// The network's own address, and the one that means all of its members.
bool is_special(const Subnet& subnet, const IpAddress& address) {
    return address == first_address(subnet) ||
           (!address.is_v6() && address == last_address(subnet));
}

bool is_reserved(const AddressPool& pool, const IpAddress& address) {
    return address == pool.gateway || is_special(pool.subnet, address) ||
           std::ranges::any_of(pool.reserved,
                               [&](const auto& one) { return one.second == address; });
}

}  // namespace

AddressPool make_pool(const PoolRequest& request, const std::vector<Subnet>& taken) {
    AddressPool pool;
    if (request.subnet.empty()) {
        pool.subnet = free_default_subnet(taken);
    } else {
        pool.subnet = read_subnet(request.subnet, "subnet");
        const int most = pool.subnet.address.bits() - 2;
        if (pool.subnet.prefix > most) {
            throw InputError(fmt::format(
                "invalid subnet {}: it has no room for a gateway and a container; expected /{} or "
                "less",
                request.subnet, most));
        }
        if (overlaps_any(pool.subnet, taken)) {
            throw EngineError(Refusal::Forbidden,
                              "Pool overlaps with other one on this address space");
        }
    }
    if (!request.range.empty()) {
        pool.range = read_subnet(request.range, "ip-range");
        if (!contains(pool.subnet, pool.range->address) ||
            pool.range->prefix < pool.subnet.prefix) {
            throw InputError(fmt::format("invalid ip-range {}: it is not in the subnet {}",
                                         request.range, to_text(pool.subnet)));
        }
    }
    pool.gateway = request.gateway.empty() ? plus(pool.subnet.address, 1)
                                           : read_member(request.gateway, pool.subnet, "gateway");
    for (const auto& [name, address] : request.reserved) {
        pool.reserved[name] = read_member(address, pool.subnet, "auxiliary address");
    }
    return pool;
}

Subnet private_ipv6_subnet(const std::string& network_id) {
    // fd, then 40 bits that should be random, and 16 for a subnet of ours: so are the ID's digits.
    Subnet subnet{.address = {.family = AF_INET6}, .prefix = 64};
    subnet.address.bytes[0] = 0xfd;
    for (std::size_t i = 1; i < 8; ++i) {
        subnet.address.bytes.at(i) =
            static_cast<std::uint8_t>(std::stoul(network_id.substr(2 * i, 2), nullptr, 16));
    }
    return subnet;
}

IpAddress free_address(const AddressPool& pool, const std::set<IpAddress>& used,
                       const Network& network) {
    const Subnet range = pool.range.value_or(pool.subnet);
    const IpAddress last = last_address(range);
    for (IpAddress address = first_address(range);; address = plus(address, 1)) {
        if (!is_reserved(pool, address) && !used.contains(address)) {
            return address;
        }
        if (address == last) {
            throw std::runtime_error(
                fmt::format("no available IPv{} addresses on this network's address pools: {} ({})",
                            address.is_v6() ? 6 : 4, network.name, network.id));
        }
    }
}

IpAddress wanted_address(const std::string& text, const Network& network,
                         const std::set<IpAddress>& used) {
    const auto address = parse_ip_address(text);
    if (!address) {
        throw InputError(fmt::format("invalid IP address \"{}\"", text));
    }
    const AddressPool* pool = pool_of(network, address->family);
    if (pool == nullptr || !contains(pool->subnet, *address)) {
        throw InputError(fmt::format(
            "Invalid address {}: It does not belong to any of this network's subnets", text));
    }
    if (is_reserved(*pool, *address)) {
        throw InputError(fmt::format(
            "Invalid address {}: it is the network's own, its gateway's, or reserved", text));
    }
    if (used.contains(*address)) {
        throw EngineError(Refusal::Forbidden, "Address already in use");
    }
    return *address;
}

MacAddress mac_address_for(const IpAddress& address) {
    MacAddress mac{0x02, 0x42};
    const std::span<std::uint8_t> rest = std::span(mac).subspan(2);
    if (address.family == AF_INET) {
        std::ranges::copy(address.data(), rest.begin());
    } else {
        check(::getrandom(rest.data(), rest.size(), 0), "getrandom({} bytes)", rest.size());
    }
    return mac;
}

}  // namespace drydock
