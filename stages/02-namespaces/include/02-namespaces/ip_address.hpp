#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace drydock {

/// An IPv4 or IPv6 address; none when default-made.
struct IpAddress {
    int family = AF_UNSPEC;                ///< AF_INET or AF_INET6; AF_UNSPEC: no address
    std::array<std::uint8_t, 16> bytes{};  ///< in network order; an IPv4 address is the first four

    auto operator<=>(const IpAddress&) const = default;
    [[nodiscard]] explicit operator bool() const noexcept { return family != AF_UNSPEC; }
    [[nodiscard]] bool is_v6() const noexcept { return family == AF_INET6; }
    /// 32 or 128.
    [[nodiscard]] int bits() const noexcept { return is_v6() ? 128 : 32; }
    /// The 4 or 16 bytes.
    [[nodiscard]] std::span<const std::uint8_t> data() const noexcept {
        return {bytes.data(), static_cast<std::size_t>(bits() / 8)};
    }
};

/// "172.17.0.2", "fd00::2"; nothing when `text` is no address. Zones ("%eth0") are none.
std::optional<IpAddress> parse_ip_address(std::string_view text);
/// As inet_ntop(3) writes it; "" for no address.
std::string to_text(const IpAddress& address);

/// The address `offset` behind `address`; it wraps around where the address space ends.
IpAddress plus(IpAddress address, std::uint64_t offset);

/// An address with the number of its leading bits that are the network's: "172.17.0.1/16".
struct Subnet {
    IpAddress address{};
    int prefix = 0;
    auto operator<=>(const Subnet&) const = default;
};

/// "172.17.0.0/16"; nothing for what is not ADDRESS/PREFIX.
std::optional<Subnet> parse_subnet(std::string_view text);
std::string to_text(const Subnet& subnet);

/// With every bit behind the prefix 0: 172.17.0.1/16 is 172.17.0.0.
IpAddress first_address(const Subnet& subnet);
/// With every bit behind the prefix 1: 172.17.255.255.
IpAddress last_address(const Subnet& subnet);
bool contains(const Subnet& subnet, const IpAddress& address);
bool overlap(const Subnet& one, const Subnet& other);

}  // namespace drydock
