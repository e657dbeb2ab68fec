#include "02-namespaces/link.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock {
namespace {

constexpr ifinfomsg kAnyLink{};
constexpr std::uint16_t kCreate = NLM_F_CREATE | NLM_F_EXCL;

ifinfomsg link_header(int index, unsigned flags = 0) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = flags;
    header.ifi_change = flags;  // which of the flags mean anything
    return header;
}

/// The link is up, without an address of its own (fe80::…, made up from its MAC address): a port of
/// a bridge is no party.
void bring_port_up(NetlinkBatch& batch, const std::string& name) {
    batch.begin(RTM_NEWLINK, 0, link_header(0, IFF_UP),
                fmt::format("RTM_NEWLINK(ifname={}, flags|=IFF_UP)", name));
    batch.put(IFLA_IFNAME, name);
    const auto families = batch.nest(IFLA_AF_SPEC);
    const auto v6 = batch.nest(AF_INET6);
    batch.put(IFLA_INET6_ADDR_GEN_MODE, std::uint8_t{IN6_ADDR_GEN_MODE_NONE});
}

/// The attributes of one message of an answer, behind a header of `header` bytes.
template <class Visit>
void each_attribute(std::span<const std::byte> message, std::size_t header, Visit visit) {
    std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(header);
    while (at + NLA_HDRLEN <= message.size()) {
        nlattr attribute{};
        std::memcpy(&attribute, message.subspan(at).data(), sizeof(attribute));
        if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > message.size()) {
            return;
        }
        visit(attribute.nla_type & NLA_TYPE_MASK,
              message.subspan(at + NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN));
        at += NLA_ALIGN(attribute.nla_len);
    }
}

template <class Header>
Header header_of(std::span<const std::byte> message) {
    Header header{};
    if (message.size() >= NLMSG_HDRLEN + sizeof(header)) {
        std::memcpy(&header, message.subspan(NLMSG_HDRLEN).data(), sizeof(header));
    }
    return header;
}

/// The kernel's description of a link; empty when there is none with that name.
std::vector<std::byte> find_link(const RouteSocket& socket, const std::string& name) {
    NetlinkBatch batch;
    batch.begin(RTM_GETLINK, 0, kAnyLink, fmt::format("RTM_GETLINK(ifname={})", name));
    batch.put(IFLA_IFNAME, name);
    try {
        const auto answers = socket.dump(batch);
        return answers.empty() ? std::vector<std::byte>{} : answers.front();
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::no_such_device) {
            return {};
        }
        throw;
    }
}

/// An attribute of such a description; "" when it is not there.
std::string string_attribute(std::span<const std::byte> link, int wanted) {
    std::string text;
    each_attribute(link, sizeof(ifinfomsg), [&](int type, std::span<const std::byte> value) {
        if (type == wanted && !value.empty()) {
            text.resize(value.size() - 1);  // without the zero at the end
            std::memcpy(text.data(), value.data(), text.size());
        }
    });
    return text;
}

int hex_digit(char c) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto at = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

// [region: loopback-up]
void loopback_up() {
    // Any socket of this network namespace will do as a handle on it.
    const UniqueFd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                                "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC)"));
    constexpr std::string_view kName = "lo";
    ifreq request{};
    std::ranges::copy(kName, std::begin(request.ifr_name));
    check(::ioctl(socket.get(), SIOCGIFFLAGS, &request), "ioctl(SIOCGIFFLAGS, ifr_name=lo)");
    request.ifr_flags |= IFF_UP;
    // The kernel gives a loopback that comes up its two addresses by itself.
    check(::ioctl(socket.get(), SIOCSIFFLAGS, &request),
          "ioctl(SIOCSIFFLAGS, ifr_name=lo, ifr_flags|=IFF_UP)");
}
// [/region]

std::optional<MacAddress> parse_mac_address(std::string_view text) {
    MacAddress address{};
    constexpr std::size_t kLength = 17;
    if (text.size() != kLength) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < address.size(); ++i) {
        const int high = hex_digit(text[3 * i]);
        const int low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < address.size() && text[3 * i + 2] != ':')) {
            return std::nullopt;
        }
        address.at(i) = static_cast<std::uint8_t>(high * 16 + low);
    }
    return address;
}

std::string to_text(const MacAddress& address) {
    return fmt::format("{:02x}", fmt::join(address, ":"));
}

bool is_link_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxLinkName && name != "." && name != ".." &&
           std::ranges::all_of(name, [](char c) {
               return c > ' ' && c <= '~' && c != '/' && c != ':' && c != '"';
           });
}

// [region: add-bridge]
void add_bridge(NetlinkBatch& batch, const Bridge& bridge) {
    batch.begin(RTM_NEWLINK, kCreate, link_header(0, IFF_UP),
                fmt::format("RTM_NEWLINK(ifname={}, kind=bridge)", bridge.name));
    batch.put(IFLA_IFNAME, bridge.name);
    batch.put(IFLA_ADDRESS, bridge.mac);
    batch.put(IFLA_MTU, static_cast<std::uint32_t>(bridge.mtu));
    {
        const auto info = batch.nest(IFLA_LINKINFO);
        batch.put(IFLA_INFO_KIND, std::string("bridge"));
    }
    if (!bridge.alias.empty()) {
        // Not taken by the request that makes a link, so by one more.
        batch.begin(RTM_NEWLINK, 0, kAnyLink,
                    fmt::format("RTM_NEWLINK(ifname={}, ifalias={})", bridge.name, bridge.alias));
        batch.put(IFLA_IFNAME, bridge.name);
        batch.put(IFLA_IFALIAS, bridge.alias);
    }
}
// [/region]

// [region: add-veth]
void add_veth(NetlinkBatch& batch, const VethPair& pair) {
    batch.begin(
        RTM_NEWLINK, kCreate, kAnyLink,
        fmt::format("RTM_NEWLINK(ifname={}, kind=veth, peer={})", pair.name, pair.peer_name));
    batch.put(IFLA_IFNAME, pair.name);
    batch.put(IFLA_MTU, static_cast<std::uint32_t>(pair.mtu));
    if (pair.bridge != 0) {
        batch.put(IFLA_MASTER, static_cast<std::uint32_t>(pair.bridge));
    }
    {
        const auto info = batch.nest(IFLA_LINKINFO);
        batch.put(IFLA_INFO_KIND, std::string("veth"));
        const auto data = batch.nest(IFLA_INFO_DATA);
        // The other end is described by a request inside the request. It is born where it belongs,
        // so nobody ever sees it here, and its name need not be free here.
        const auto peer = batch.nest(VETH_INFO_PEER);
        batch.put_header(kAnyLink);
        batch.put(IFLA_IFNAME, pair.peer_name);
        batch.put(IFLA_ADDRESS, pair.peer_mac);
        batch.put(IFLA_MTU, static_cast<std::uint32_t>(pair.mtu));
        batch.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(pair.peer_network));
    }
    bring_port_up(batch, pair.name);
}
// [/region]

void isolate_port(NetlinkBatch& batch, const std::string& name) {
    batch.begin(RTM_NEWLINK, 0, kAnyLink, fmt::format("RTM_NEWLINK(ifname={}, isolated)", name));
    batch.put(IFLA_IFNAME, name);
    const auto info = batch.nest(IFLA_LINKINFO);
    batch.put(IFLA_INFO_SLAVE_KIND, std::string("bridge"));
    const auto data = batch.nest(IFLA_INFO_SLAVE_DATA);
    batch.put(IFLA_BRPORT_ISOLATED, std::uint8_t{1});
}

void set_up(NetlinkBatch& batch, int link) {
    batch.begin(RTM_NEWLINK, 0, link_header(link, IFF_UP),
                fmt::format("RTM_NEWLINK(index={}, flags|=IFF_UP)", link));
}

// [region: add-link-address]
void add_link_address(NetlinkBatch& batch, int link, const Subnet& address) {
    const IpAddress& own = address.address;
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(own.family);
    header.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
    header.ifa_index = static_cast<std::uint32_t>(link);
    if (own.is_v6()) {
        // No probing whether somebody else has it (RFC 4862, 5.4): we gave it out, and a second of
        // waiting is long.
        header.ifa_flags = IFA_F_NODAD;
    }
    batch.begin(RTM_NEWADDR, kCreate, header,
                fmt::format("RTM_NEWADDR(index={}, local={})", link, to_text(address)));
    batch.put(IFA_LOCAL, own.data());
    batch.put(IFA_ADDRESS, own.data());
    if (!own.is_v6()) {
        batch.put(IFA_BROADCAST, last_address(address).data());
    }
}
// [/region]

// [region: add-route]
void add_route(NetlinkBatch& batch, const Route& route) {
    const int family = route.gateway ? route.gateway.family : route.destination->address.family;
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(family);
    header.rtm_dst_len =
        static_cast<std::uint8_t>(route.destination ? route.destination->prefix : 0);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = route.gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    header.rtm_type = RTN_UNICAST;
    batch.begin(RTM_NEWROUTE, kCreate, header,
                fmt::format("RTM_NEWROUTE(dst={}, gateway={}, oif={})",
                            route.destination ? to_text(*route.destination) : "default",
                            to_text(route.gateway), route.link));
    if (route.destination) {
        batch.put(RTA_DST, first_address(*route.destination).data());
    }
    if (route.gateway) {
        batch.put(RTA_GATEWAY, route.gateway.data());
    }
    batch.put(RTA_OIF, static_cast<std::uint32_t>(route.link));
}
// [/region]

void delete_default_route(NetlinkBatch& batch, int link, const IpAddress& gateway) {
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(gateway.family);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_scope = RT_SCOPE_NOWHERE;  // any
    batch.begin(
        RTM_DELROUTE, 0, header,
        fmt::format("RTM_DELROUTE(dst=default, gateway={}, oif={})", to_text(gateway), link));
    batch.put(RTA_GATEWAY, gateway.data());
    batch.put(RTA_OIF, static_cast<std::uint32_t>(link));
}

void delete_link(NetlinkBatch& batch, const std::string& name) {
    batch.begin(RTM_DELLINK, 0, kAnyLink, fmt::format("RTM_DELLINK(ifname={})", name));
    batch.put(IFLA_IFNAME, name);
}

int link_index(const RouteSocket& socket, const std::string& name) {
    const auto answer = find_link(socket, name);
    return answer.empty() ? 0 : header_of<ifinfomsg>(answer).ifi_index;
}

std::string link_alias(const RouteSocket& socket, const std::string& name) {
    return string_attribute(find_link(socket, name), IFLA_IFALIAS);
}

std::vector<std::string> link_names(const RouteSocket& socket) {
    NetlinkBatch batch;
    batch.begin(RTM_GETLINK, NLM_F_DUMP, kAnyLink, "RTM_GETLINK(all)");
    std::vector<std::string> names;
    for (const auto& message : socket.dump(batch)) {
        names.push_back(string_attribute(message, IFLA_IFNAME));
    }
    return names;
}

std::vector<Subnet> routed_subnets(const RouteSocket& socket) {
    NetlinkBatch batch;
    batch.begin(RTM_GETROUTE, NLM_F_DUMP, rtmsg{}, "RTM_GETROUTE(all)");
    std::vector<Subnet> subnets;
    for (const auto& message : socket.dump(batch)) {
        const auto header = header_of<rtmsg>(message);
        if (header.rtm_table != RT_TABLE_MAIN || header.rtm_dst_len == 0) {
            continue;
        }
        each_attribute(message, sizeof(rtmsg), [&](int type, std::span<const std::byte> value) {
            Subnet subnet{.address = {.family = header.rtm_family}, .prefix = header.rtm_dst_len};
            if (type == RTA_DST && value.size() <= subnet.address.bytes.size()) {
                std::memcpy(subnet.address.bytes.data(), value.data(), value.size());
                subnets.push_back(subnet);
            }
        });
    }
    return subnets;
}

}  // namespace drydock
