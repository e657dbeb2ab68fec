#include "02-namespaces/link.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/network_namespace.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace {

using drydock::check;
using drydock::IpAddress;
using drydock::NetlinkBatch;
using drydock::parse_ip_address;
using drydock::parse_subnet;
using drydock::RouteSocket;
using drydock::UniqueFd;
using drydock::VisitedNetwork;
using drydock::testing::ContainsSubstring;
using drydock::testing::in_child;
using drydock::testing::text_from_child;

constexpr drydock::MacAddress kBridgeMac = {2, 0, 0, 0, 0, 1};

/// Runs `body` in a child with a network namespace of its own.
std::string in_network(const std::function<std::string()>& body) {
    return text_from_child([&]() -> std::string {
        try {
            check(::unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)");
            return body();
        } catch (const std::exception& e) {
            return e.what();
        }
    });
}

/// A network with a bridge "br0" (10.9.0.1/24) here and a namespace plugged into it as `address`.
UniqueFd plug_in(const RouteSocket& here, const std::string& name, const std::string& address) {
    UniqueFd network = drydock::make_network_namespace();
    NetlinkBatch outside;
    add_veth(outside, {.name = name,
                       .bridge = link_index(here, "br0"),
                       .peer_name = "eth0",
                       .peer_network = network.get(),
                       .peer_mac = {2, 0, 0, 0, 1, static_cast<std::uint8_t>(name.back())}});
    here.send(outside);
    const VisitedNetwork visit(network.get());
    const RouteSocket there;
    const int eth0 = link_index(there, "eth0");
    NetlinkBatch inside;
    drydock::set_up(inside, 1);
    drydock::set_up(inside, eth0);
    add_link_address(inside, eth0, parse_subnet(address).value());
    add_route(inside, {.gateway = *parse_ip_address("10.9.0.1"), .link = eth0});
    there.send(inside);
    return network;
}

void make_bridge(const RouteSocket& here) {
    NetlinkBatch batch;
    add_bridge(batch, {.name = "br0", .mac = kBridgeMac});
    here.send(batch);
    NetlinkBatch addresses;
    add_link_address(addresses, link_index(here, "br0"), *parse_subnet("10.9.0.1/24"));
    here.send(addresses);
}

sockaddr_in socket_address(const char* address, int port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, address, &result.sin_addr);
    return result;
}

/// A UDP socket in the network `where`.
UniqueFd udp_socket(const UniqueFd& where) {
    const VisitedNetwork visit(where.get());
    return UniqueFd(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket()"));
}

/// Whether a datagram gets from the network `from` to port 7 of `to`, whose address is `address`.
bool reaches(const UniqueFd& from, const UniqueFd& to, const char* address) {
    const UniqueFd receiver = udp_socket(to);
    const sockaddr_in target = socket_address(address, 7);
    check(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target)),
          "bind()");
    const UniqueFd sender = udp_socket(from);
    // Again and again: a link that was just made may lose what is sent in its first second.
    constexpr int kTries = 15;
    for (int i = 0; i < kTries; ++i) {
        static_cast<void>(::sendto(sender.get(), "x", 1, 0,
                                   reinterpret_cast<const sockaddr*>(&target), sizeof(target)));
        pollfd event{receiver.get(), POLLIN, 0};
        constexpr int kPatienceMs = 100;
        if (::poll(&event, 1, kPatienceMs) == 1) {
            return true;
        }
    }
    return false;
}

TEST_CASE("veth: packets pass between namespaces on one bridge, and from the host", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              const UniqueFd one = plug_in(here, "veth1", "10.9.0.2/24");
              const UniqueFd two = plug_in(here, "veth2", "10.9.0.3/24");
              const UniqueFd host = drydock::own_network_namespace();
              return fmt::format("{}{}{}", reaches(one, two, "10.9.0.3"),
                                 reaches(host, one, "10.9.0.2"), reaches(two, host, "10.9.0.1"));
          }) == "truetruetrue");
}

TEST_CASE("isolate_port: isolated ports reach the host and not each other", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              const UniqueFd one = plug_in(here, "veth1", "10.9.0.2/24");
              const UniqueFd two = plug_in(here, "veth2", "10.9.0.3/24");
              NetlinkBatch batch;
              drydock::isolate_port(batch, "veth1");
              drydock::isolate_port(batch, "veth2");
              here.send(batch);
              const UniqueFd host = drydock::own_network_namespace();
              return fmt::format("{} {}", reaches(one, two, "10.9.0.3"),
                                 reaches(one, host, "10.9.0.1"));
          }) == "false true");
}

TEST_CASE("veth: the peer is never seen on this side, and both ends go together", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              UniqueFd one = plug_in(here, "veth1", "10.9.0.2/24");
              const auto names = link_names(here);
              const bool peer_here = std::ranges::count(names, "eth0") > 0;
              const bool end_here = std::ranges::count(names, "veth1") > 0;
              NetlinkBatch batch;
              drydock::delete_link(batch, "veth1");
              here.send(batch);
              const VisitedNetwork visit(one.get());
              const RouteSocket there;
              return fmt::format("{} {} {}", peer_here, end_here, link_index(there, "eth0"));
          }) == "false true 0");
}

TEST_CASE("add_route: the default route leads over the gateway", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              const UniqueFd one = plug_in(here, "veth1", "10.9.0.2/24");
              const VisitedNetwork visit(one.get());
              return drydock::read_file("/proc/thread-self/net/route");
          }).find("eth0\t00000000\t0100090A\t") != std::string::npos);
}

TEST_CASE("link_alias: what add_bridge was given, and nothing for others", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              NetlinkBatch batch;
              add_bridge(batch, {.name = "br0", .alias = "one of ours", .mac = kBridgeMac});
              here.send(batch);
              return link_alias(here, "br0") + "," + link_alias(here, "lo") + "," +
                     link_alias(here, "nowhere");
          }) == "one of ours,,");
}

TEST_CASE("routed_subnets: a bridge with an address is a routed network", "[02][link]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              std::string text;
              for (const auto& subnet : routed_subnets(here)) {
                  text += subnet.address.is_v6() ? "" : to_text(subnet) + " ";
              }
              return text;
          }) == "10.9.0.0/24 ");
}

TEST_CASE("RouteSocket: the error names the first request that failed and why", "[02][netlink]") {
    CHECK(in_network([] {
              const RouteSocket here;
              make_bridge(here);
              NetlinkBatch batch;
              drydock::set_up(batch, 1);
              add_bridge(batch, {.name = "br0", .mac = kBridgeMac});
              drydock::delete_link(batch, "nowhere");
              here.send(batch);
              return std::string("no error");
          }) == "RTM_NEWLINK(ifname=br0, kind=bridge): File exists");
    CHECK_THAT(in_network([] {
                   const RouteSocket here;
                   NetlinkBatch batch;
                   add_route(batch, {.gateway = *parse_ip_address("10.0.0.1"), .link = 1});
                   here.send(batch);
                   return std::string("no error");
               }),
               ContainsSubstring("RTM_NEWROUTE(dst=default, gateway=10.0.0.1, oif=1)"));
}

TEST_CASE("RouteSocket: without privileges the kernel refuses", "[02][netlink]") {
    CHECK(drydock::testing::in_child_as(65534, [] {
              try {
                  const RouteSocket here;
                  NetlinkBatch batch;
                  add_bridge(batch, {.name = "drydock-test", .mac = kBridgeMac});
                  here.send(batch);
                  return 1;
              } catch (const std::system_error& e) {
                  return e.code() == std::errc::operation_not_permitted ? 0 : 2;
              }
          }) == 0);
}

TEST_CASE("VisitedNetwork: its thread is elsewhere while it lives, and then back",
          "[02][network-namespace]") {
    CHECK(in_child([] {
              const auto inode = [] {
                  struct stat status{};
                  ::stat("/proc/thread-self/ns/net", &status);
                  return status.st_ino;
              };
              const auto home = inode();
              const UniqueFd network = drydock::make_network_namespace();
              const bool stayed = inode() == home;
              bool moved = false;
              {
                  const VisitedNetwork visit(network.get());
                  moved = inode() != home;
              }
              return stayed && moved && inode() == home ? 0 : 1;
          }) == 0);
}

}  // namespace
