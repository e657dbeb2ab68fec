#include "02-namespaces/ip_address.hpp"

#include <arpa/inet.h>

#include <charconv>

#include <fmt/format.h>

namespace drydock {
namespace {

/// The address with the bits behind `prefix` all 0 or all 1.
IpAddress with_host_bits(const Subnet& subnet, bool ones) {
    IpAddress address = subnet.address;
    for (int bit = subnet.prefix; bit < address.bits(); ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> static_cast<unsigned>(bit % 8));
        std::uint8_t& byte = address.bytes.at(static_cast<std::size_t>(bit / 8));
        byte = static_cast<std::uint8_t>(ones ? byte | mask : byte & ~mask);
    }
    return address;
}

}  // namespace

std::optional<IpAddress> parse_ip_address(std::string_view text) {
    IpAddress address{.family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6};
    if (::inet_pton(address.family, std::string(text).c_str(), address.bytes.data()) != 1) {
        return std::nullopt;
    }
    return address;
}

std::string to_text(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (!address ||
        ::inet_ntop(address.family, address.bytes.data(), text.data(), text.size()) == nullptr) {
        return {};
    }
    return text.data();
}

IpAddress plus(IpAddress address, std::uint64_t offset) {
    for (std::size_t at = address.data().size(); at-- > 0 && offset != 0;) {
        const std::uint64_t sum = address.bytes.at(at) + (offset & 0xffU);
        address.bytes.at(at) = static_cast<std::uint8_t>(sum);
        offset = (offset >> 8U) + (sum >> 8U);
    }
    return address;
}

std::optional<Subnet> parse_subnet(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = parse_ip_address(text.substr(0, slash));
    if (slash == std::string_view::npos || !address) {
        return std::nullopt;
    }
    const std::string_view number = text.substr(slash + 1);
    int prefix = -1;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), prefix);
    if (error != std::errc() || end != number.data() + number.size() || prefix < 0 ||
        prefix > address->bits()) {
        return std::nullopt;
    }
    return Subnet{*address, prefix};
}

std::string to_text(const Subnet& subnet) {
    return fmt::format("{}/{}", to_text(subnet.address), subnet.prefix);
}

IpAddress first_address(const Subnet& subnet) {
    return with_host_bits(subnet, false);
}

IpAddress last_address(const Subnet& subnet) {
    return with_host_bits(subnet, true);
}

bool contains(const Subnet& subnet, const IpAddress& address) {
    return address.family == subnet.address.family &&
           first_address({address, subnet.prefix}) == first_address(subnet);
}

bool overlap(const Subnet& one, const Subnet& other) {
    return contains(one, first_address(other)) || contains(other, first_address(one));
}

}  // namespace drydock
