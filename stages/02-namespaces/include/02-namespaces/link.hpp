#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "02-namespaces/netlink.hpp"

namespace drydock {

/// The loopback interface of this network namespace is up, with 127.0.0.1 and ::1.
/// @see netdevice(7), SIOCSIFFLAGS
void loopback_up();

// Links (the kernel's word for network interfaces), addresses and routes by rtnetlink. Each
// function adds requests to a batch; RouteSocket::send() has the kernel do them, in the network
// namespace of the socket.

using MacAddress = std::array<std::uint8_t, 6>;
/// "02:42:ac:11:00:02"; nothing when `text` is none.
std::optional<MacAddress> parse_mac_address(std::string_view text);
std::string to_text(const MacAddress& address);

/// The longest name of a link: IFNAMSIZ without the zero at the end.
inline constexpr std::size_t kMaxLinkName = 15;
/// Not empty, not too long, without "/", space or control characters, and neither "." nor "..".
bool is_link_name(std::string_view name);

/// A switch in the kernel: whatever is plugged into it (its ports) is one Ethernet.
struct Bridge {
    std::string name{};
    std::string alias{};  ///< what `ip link` shows beside the name; "": nothing
    MacAddress mac{};     ///< its own, as a member of that Ethernet
    int mtu = 1500;       ///< bytes
};
/// The bridge is there, and up.
void add_bridge(NetlinkBatch& batch, const Bridge& bridge);

/// A cable with a network interface at each end: what goes in at one comes out at the other.
struct VethPair {
    std::string name{};  ///< of the end that stays here
    int bridge = 0;      ///< index of the bridge it is plugged into; 0: none
    int mtu = 1500;      ///< of both ends

    std::string peer_name{};  ///< of the other end
    int peer_network = -1;    ///< its network namespace; it is born there
    MacAddress peer_mac{};
};
/// Both ends are there; this one is up, the other one's network brings it up.
void add_veth(NetlinkBatch& batch, const VethPair& pair);

/// The bridge passes nothing from one isolated port to another.
void isolate_port(NetlinkBatch& batch, const std::string& name);

/// The link is up.
void set_up(NetlinkBatch& batch, int link);

/// The link has that address, and a route to the address's network.
void add_link_address(NetlinkBatch& batch, int link, const Subnet& address);

/// What is sent to `destination` goes to `gateway`, or right away to its receiver when there is
/// none.
struct Route {
    std::optional<Subnet> destination{};  ///< nothing: wherever no other route leads
    IpAddress gateway{};
    int link = 0;  ///< index
};
void add_route(NetlinkBatch& batch, const Route& route);
/// Takes the default routes of that address family away that lead over `link`.
void delete_default_route(NetlinkBatch& batch, int link, const IpAddress& gateway);

/// The link, and with it what hangs on it: the other end of a veth pair, addresses, routes.
void delete_link(NetlinkBatch& batch, const std::string& name);

/// The index of the link with that name in the socket's network namespace; 0 when there is none.
int link_index(const RouteSocket& socket, const std::string& name);
/// Its alias; "" when it has none or is not there.
std::string link_alias(const RouteSocket& socket, const std::string& name);
/// The names of all links there.
std::vector<std::string> link_names(const RouteSocket& socket);
/// Every network that a route of the main table leads to, default routes left out: what a new
/// network must not overlap.
std::vector<Subnet> routed_subnets(const RouteSocket& socket);

}  // namespace drydock
