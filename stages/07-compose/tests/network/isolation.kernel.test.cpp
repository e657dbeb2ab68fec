// Attacks of one container on its neighbours and on the outside. Each test has a second half in
// which the defence is taken away by hand: there the attack works, so that the first half means
// something.
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "network/network_world.hpp"

namespace {

using drydock::IpAddress;
using drydock::MacAddress;
using drydock::parse_ip_address;
using drydock::UniqueFd;
using drydock::testing::ContainsSubstring;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

json joining(const std::string& network) {
    return {{"HostConfig", {{"NetworkMode", network}, {"CapAdd", {"NET_ADMIN"}}}}};
}

void create_network(TestDaemon& daemon, const json& body) {
    const auto reply = daemon.call("POST", "/networks/create", body.dump());
    INFO(reply.body);
    REQUIRE(reply.status == 201);
}

json place_of(TestDaemon& daemon, const std::string& id, const std::string& network) {
    return daemon.get("/containers/" + id + "/json").json()["NetworkSettings"]["Networks"][network];
}

UniqueFd inside_of(const TestDaemon& daemon, const std::string& id) {
    return drydock::open_file(
        "/proc/" + std::to_string(daemon.state(id)["Pid"].get<int>()) + "/ns/net", O_RDONLY);
}

std::uint16_t checksum(const std::vector<std::uint8_t>& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        sum += static_cast<std::uint32_t>(bytes[i]) << 8U | bytes[i + 1];
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

/// A neighbour advertisement to everybody: `target` is at `mac` (RFC 4861, 4.4).
std::vector<std::uint8_t> advertisement(const IpAddress& target, const MacAddress& mac) {
    const IpAddress from = *parse_ip_address("fe80::66");
    const IpAddress all = *parse_ip_address("ff02::1");
    std::vector<std::uint8_t> icmp = {ND_NEIGHBOR_ADVERT, 0, 0, 0, 0x20, 0, 0, 0};  // "override"
    icmp.insert(icmp.end(), target.bytes.begin(), target.bytes.end());
    icmp.insert(icmp.end(), {ND_OPT_TARGET_LINKADDR, 1});
    icmp.insert(icmp.end(), mac.begin(), mac.end());
    std::vector<std::uint8_t> summed(from.bytes.begin(), from.bytes.end());
    summed.insert(summed.end(), all.bytes.begin(), all.bytes.end());
    summed.insert(summed.end(), {0, 0, 0, static_cast<std::uint8_t>(icmp.size()), 0, 0, 0, 58});
    summed.insert(summed.end(), icmp.begin(), icmp.end());
    const std::uint16_t sum = checksum(summed);
    icmp[2] = static_cast<std::uint8_t>(sum >> 8U);
    icmp[3] = static_cast<std::uint8_t>(sum);
    std::vector<std::uint8_t> packet = {0x60, 0,  0, 0, 0, static_cast<std::uint8_t>(icmp.size()),
                                        58,   255};
    packet.insert(packet.end(), from.bytes.begin(), from.bytes.end());
    packet.insert(packet.end(), all.bytes.begin(), all.bytes.end());
    packet.insert(packet.end(), icmp.begin(), icmp.end());
    return packet;
}

void advertise(const UniqueFd& network, const IpAddress& target, const MacAddress& mac) {
    const drydock::VisitedNetwork visit(network.get());
    const UniqueFd socket(drydock::check(
        ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IPV6)), "socket()"));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_IPV6);
    to.sll_ifindex = link_index(drydock::RouteSocket(), "eth0");
    to.sll_halen = ETH_ALEN;
    const std::array<std::uint8_t, 6> everybody = {0x33, 0x33, 0, 0, 0, 1};
    std::memcpy(to.sll_addr, everybody.data(), everybody.size());
    const auto packet = advertisement(target, mac);
    for (int i = 0; i < 15; ++i) {
        ::sendto(socket.get(), packet.data(), packet.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

TEST_CASE("networks: no container says that another's IPv6 address is its own",
          "[07][network][spoof]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    create_network(daemon, {{"Name", "six"},
                            {"EnableIPv6", true},
                            {"IPAM", {{"Config", {{{"Subnet", "fd00:66::/64"}}}}}}});
    const std::string victim = daemon.run("sleep 100", joining("six"));
    const std::string attacker = daemon.run("sleep 100", joining("six"));
    const std::string address = place_of(daemon, victim, "six")["GlobalIPv6Address"];
    const std::string victims_mac = place_of(daemon, victim, "six")["MacAddress"];
    const std::string attackers_mac = place_of(daemon, attacker, "six")["MacAddress"];
    const auto neighbour = [&] {
        return NetworkWorld::print(world.host(), {"ip", "neigh", "show", address});
    };
    const auto ping = [&] {
        return NetworkWorld::print(world.host(),
                                   {"busybox", "ping", "-6", "-c", "1", "-w", "5", address});
    };
    CHECK(soon([&] {
        ping();
        return neighbour().find(victims_mac) != std::string::npos;
    }));
    const MacAddress mac = *drydock::parse_mac_address(attackers_mac);
    advertise(inside_of(daemon, attacker), *parse_ip_address(address), mac);
    CHECK_THAT(neighbour(), ContainsSubstring(victims_mac));
    // It may say so of its own.
    advertise(inside_of(daemon, victim), *parse_ip_address(address),
              *drydock::parse_mac_address(victims_mac));
    CHECK_THAT(ping(), ContainsSubstring("1 packets received"));
    NetworkWorld::print(
        world.host(), {"sh", "-c",
                       "nft list tables | while read -r a family name; do [ $family = bridge ] && "
                       "nft delete table bridge $name; done"});
    advertise(inside_of(daemon, attacker), *parse_ip_address(address), mac);
    CHECK_THAT(neighbour(), ContainsSubstring(attackers_mac));
}

TEST_CASE("networks: without inter-container communication neighbours do not reach each other",
          "[07][network][spoof]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    create_network(daemon, {{"Name", "apart"},
                            {"Options", {{"com.docker.network.bridge.enable_icc", "false"}}}});
    const std::string server =
        daemon.run("while true; do echo hello | nc -l -p 80; done", joining("apart"));
    const std::string other = daemon.run("sleep 100", joining("apart"));
    const std::string address = place_of(daemon, server, "apart")["IPAddress"];
    CHECK(soon([&] { return NetworkWorld::fetch(world.host(), address, 80) == "hello\n"; }));
    CHECK(NetworkWorld::fetch(inside_of(daemon, other), address, 80) != "hello\n");
    NetworkWorld::print(world.host(), {"sh", "-c",
                                       "for l in $(ls /proc/sys/net/ipv4/conf | grep ^veth); do "
                                       "bridge link set dev $l isolated off; done"});
    CHECK(soon(
        [&] { return NetworkWorld::fetch(inside_of(daemon, other), address, 80) == "hello\n"; }));
}

TEST_CASE("networks: from an internal one no route that a container makes leads out",
          "[07][network][spoof]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    create_network(daemon, {{"Name", "inner"},
                            {"Internal", true},
                            {"IPAM", {{"Config", {{{"Subnet", "172.30.0.0/24"}}}}}}});
    // Somebody's bridge must have turned forwarding on, or there is nothing to defend.
    static_cast<void>(daemon.run("sleep 100"));
    const std::string id =
        daemon.run("ip route add default via 172.30.0.1; sleep 100", joining("inner"));
    const auto reaches = [&] {
        return NetworkWorld::print(inside_of(daemon, id),
                                   {"busybox", "ping", "-c", "1", "-w", "2", "198.51.100.2"})
                   .find("1 packets received") != std::string::npos;
    };
    CHECK(soon([&] {
        return NetworkWorld::print(inside_of(daemon, id), {"ip", "route"}).find("default") !=
               std::string::npos;
    }));
    CHECK(!reaches());
    NetworkWorld::print(world.host(),
                        {"sh", "-c",
                         "nft list tables | while read -r a family name; do [ $family = inet ] && "
                         "nft flush chain inet $name forward; done"});
    CHECK(soon(reaches));
}

}  // namespace
