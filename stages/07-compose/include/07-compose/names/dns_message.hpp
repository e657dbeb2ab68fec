#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "02-namespaces/ip_address.hpp"

namespace drydock {

using Bytes = std::vector<std::uint8_t>;

/// What a resolver asks, as far as it matters here.
struct DnsQuestion {
    std::string name{};            ///< lower case, without the dot at the end: "web.net1"
    std::uint16_t type = 0;        ///< kDnsA…
    std::size_t most_bytes = 512;  ///< that the asker takes over UDP (RFC 6891)
};
inline constexpr std::uint16_t kDnsA = 1;
inline constexpr std::uint16_t kDnsPtr = 12;
inline constexpr std::uint16_t kDnsAaaa = 28;

enum class DnsCode : std::uint8_t {
    Ok = 0,
    FormatError = 1,
    ServerFailure = 2,
    NotImplemented = 4
};

/// The question of a query. Nothing when `query` is no DNS message, is an answer, or does not ask
/// exactly one thing of the Internet (class IN).
std::optional<DnsQuestion> parse_dns_question(std::span<const std::uint8_t> query);

/// The answer to a query that parse_dns_question() took: an A or AAAA record for each address of
/// the kind that is asked for; none of them is "the name is there, it has no such address".
Bytes dns_addresses(std::span<const std::uint8_t> query, const std::vector<IpAddress>& addresses);
/// The answer that the asked-for address is `name`'s.
Bytes dns_pointer(std::span<const std::uint8_t> query, const std::string& name);
/// An answer that is none. Empty for what is too short to have an ID.
Bytes dns_failure(std::span<const std::uint8_t> query, DnsCode code);

/// The address that "2.0.17.172.in-addr.arpa" or "….ip6.arpa" asks for; nothing for other names.
std::optional<IpAddress> address_of_pointer_name(const std::string& name);

}  // namespace drydock
