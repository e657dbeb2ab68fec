#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "network/network_world.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

constexpr const char* kServe = "while true; do echo hello | nc -l -p 80; done";

json in_network(const std::string& network, const json& endpoint = json::object()) {
    return {{"HostConfig", {{"NetworkMode", network}}},
            {"NetworkingConfig", {{"EndpointsConfig", {{network, endpoint}}}}}};
}

std::string make_network(TestDaemon& daemon, json body) {
    const auto reply = daemon.call("POST", "/networks/create", body.dump());
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    return reply.json()["Id"];
}

/// What a script prints in a container of its own.
std::string output(TestDaemon& daemon, const std::string& script, const json& body) {
    const std::string id = daemon.run(script, body);
    static_cast<void>(daemon.wait(id));
    return daemon.logs(id);
}

json endpoint_of(TestDaemon& daemon, const std::string& id, const std::string& network) {
    return daemon.get("/containers/" + id + "/json").json()["NetworkSettings"]["Networks"][network];
}

TEST_CASE("networks: the three that are always there, and one that comes and goes",
          "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    for (const char* name : {"bridge", "host", "none"}) {
        const auto reply = daemon.get(std::string("/networks/") + name);
        CHECK(reply.status == 200);
        CHECK(daemon.call("DELETE", std::string("/networks/") + name).status == 403);
    }
    const std::string id =
        make_network(daemon, {{"Name", "mine"},
                              {"Labels", {{"a", "b"}}},
                              {"Options", {{"com.docker.network.driver.mtu", "1400"}}},
                              {"IPAM", {{"Config", {{{"Subnet", "10.77.0.0/24"}}}}}}});
    const json network = daemon.get("/networks/" + id.substr(0, 10)).json();
    CHECK(network["Name"] == "mine");
    CHECK(network["Labels"]["a"] == "b");
    CHECK(network["Options"].size() == 1);
    CHECK(network["IPAM"]["Config"][0]["Subnet"] == "10.77.0.0/24");
    CHECK(network["IPAM"]["Config"][0]["Gateway"] == "10.77.0.1");
    CHECK(daemon.call("POST", "/networks/create", R"({"Name":"mine"})").status == 409);
    CHECK(daemon
              .call("POST", "/networks/create",
                    R"({"Name":"other","IPAM":{"Config":[{"Subnet":"10.77.0.0/16"}]}})")
              .status == 403);
    CHECK(daemon.call("POST", "/networks/create", R"({"Name":"a b"})").status == 400);
    CHECK(daemon.get("/networks?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D").json().size() == 1);
    const std::string member = daemon.run("sleep 100", in_network("mine"), "one");
    CHECK(daemon.call("DELETE", "/networks/mine").status == 403);
    CHECK(daemon.get("/networks/mine").json()["Containers"][member]["Name"] == "one");
    CHECK(daemon.call("POST", "/networks/prune").json()["NetworksDeleted"].is_null());
    daemon.call("DELETE", "/containers/one?force=1");
    CHECK(daemon.call("POST", "/networks/prune").json()["NetworksDeleted"][0] == "mine");
    CHECK(daemon.get("/networks/mine").status == 404);
    daemon.end(SIGTERM);
    daemon.start();
    CHECK(daemon.get("/networks/mine").status == 404);  // nor is it on disk
}

TEST_CASE("names: containers of a user network find each other by name, alias and ID",
          "[07][network][dns]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_network(daemon, {{"Name", "mine"}});
    const std::string web =
        daemon.run("sleep 100", in_network("mine", {{"Aliases", {"www"}}}), "web");
    const std::string address = endpoint_of(daemon, web, "mine")["IPAddress"];
    for (const std::string& name : {std::string("web"), std::string("www"), web.substr(0, 12),
                                    std::string("web.mine"), std::string("WEB")}) {
        INFO(name);
        CHECK_THAT(output(daemon, "ping -c 1 -w 5 " + name, in_network("mine")),
                   ContainsSubstring("(" + address + ")"));
    }
    // Its own name for another, and a new name for a running one.
    CHECK_THAT(
        output(daemon, "ping -c 1 -w 5 store", in_network("mine", {{"Links", {"web:store"}}})),
        ContainsSubstring("(" + address + ")"));
    CHECK(daemon.call("POST", "/containers/web/rename?name=shop").status == 204);
    CHECK_THAT(output(daemon, "ping -c 1 -w 5 shop", in_network("mine")),
               ContainsSubstring("(" + address + ")"));
    CHECK(daemon.call("POST", "/containers/shop/rename?name=web").status == 204);
    CHECK_THAT(output(daemon, "nslookup " + address, in_network("mine")),
               ContainsSubstring("web.mine"));
    CHECK_THAT(output(daemon, "nslookup -type=aaaa web; echo status $?", in_network("mine")),
               !ContainsSubstring("NXDOMAIN"));
    CHECK_THAT(output(daemon, "cat /etc/resolv.conf", in_network("mine")),
               ContainsSubstring("nameserver 127.0.0.11"));
    // On the default network there are no names, as with docker.
    CHECK_THAT(output(daemon, "ping -c 1 -w 5 web 2>&1", {}), ContainsSubstring("bad address"));
}

TEST_CASE("networks: two bridges do not reach each other, connect and disconnect change that",
          "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_network(daemon, {{"Name", "red"}});
    make_network(daemon, {{"Name", "blue"}});
    const std::string red = daemon.run(kServe, in_network("red"), "red1");
    const std::string address = endpoint_of(daemon, red, "red")["IPAddress"];
    const std::string ask = "nc -w 2 " + address + " 80 || echo no";
    CHECK_THAT(output(daemon, ask, in_network("red")), ContainsSubstring("hello"));
    CHECK_THAT(output(daemon, ask, in_network("blue")), !ContainsSubstring("hello"));

    const json body = {{"Container", "red1"}, {"EndpointConfig", {{"Aliases", {"both"}}}}};
    CHECK(daemon.call("POST", "/networks/blue/connect", body.dump()).status == 200);
    CHECK(daemon.call("POST", "/networks/blue/connect", body.dump()).status == 403);
    CHECK_THAT(output(daemon, "nc -w 2 both 80", in_network("blue")), ContainsSubstring("hello"));
    CHECK(endpoint_of(daemon, red, "blue")["IPAddress"] != "");
    CHECK(daemon.call("POST", "/networks/blue/disconnect", R"({"Container":"red1"})").status ==
          200);
    CHECK(daemon.call("POST", "/networks/blue/disconnect", R"({"Container":"red1"})").status ==
          403);
    CHECK_THAT(output(daemon, "nc -w 2 both 80 || echo no", in_network("blue")),
               ContainsSubstring("no"));
    CHECK(daemon.call("POST", "/networks/host/connect", body.dump()).status == 403);
}

TEST_CASE("networks: connect and disconnect of a container that has not started", "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_network(daemon,
                 {{"Name", "mine"}, {"IPAM", {{"Config", {{{"Subnet", "10.78.0.0/24"}}}}}}});
    const std::string id = daemon.create("ip -4 addr show eth0; sleep 100");
    CHECK(daemon.call("POST", "/networks/bridge/disconnect", json({{"Container", id}}).dump())
              .status == 200);
    CHECK(daemon
              .call("POST", "/networks/mine/connect",
                    json({{"Container", id},
                          {"EndpointConfig", {{"IPAMConfig", {{"IPv4Address", "10.78.0.50"}}}}}})
                        .dump())
              .status == 200);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(soon([&] { return daemon.logs(id).find("10.78.0.50/24") != std::string::npos; }));
    // The address is taken now.
    const std::string second = daemon.create(
        "true", in_network("mine", {{"IPAMConfig", {{"IPv4Address", "10.78.0.50"}}}}));
    const auto refused = daemon.call("POST", "/containers/" + second + "/start");
    CHECK(refused.status == 403);
    CHECK_THAT(refused.body, ContainsSubstring("Address already in use"));
    const std::string third = daemon.create("true", in_network("nowhere"));
    const auto missing = daemon.call("POST", "/containers/" + third + "/start");
    CHECK(missing.status == 404);
    CHECK_THAT(missing.body, ContainsSubstring("network nowhere not found"));
}

TEST_CASE("networks: nothing leaves an internal one, not even a question", "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_network(daemon, {{"Name", "inner"}, {"Internal", true}});
    const std::string one = daemon.run(kServe, in_network("inner"), "one");
    CHECK_THAT(output(daemon, "nc -w 2 one 80", in_network("inner")), ContainsSubstring("hello"));
    CHECK_THAT(output(daemon, "ping -c 1 -w 2 198.51.100.2 2>&1; ip route", in_network("inner")),
               !ContainsSubstring("default"));
    // Even with a route that it makes for itself there is no way.
    CHECK_THAT(
        output(daemon,
               "nslookup example.org 2>&1; ping -c 1 -w 2 198.51.100.2 >/dev/null 2>&1 && echo out",
               in_network("inner")),
        !ContainsSubstring("out\n"));
}

/// Says in a container's network, by ARP and for two seconds, that `address` is at the container.
void claim_address(int pid, const std::string& address) {
    const drydock::UniqueFd network =
        drydock::open_file("/proc/" + std::to_string(pid) + "/ns/net", O_RDONLY);
    const drydock::VisitedNetwork visit(network.get());
    const drydock::UniqueFd socket(drydock::check(
        ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP)), "socket()"));
    ether_arp claim{};
    claim.arp_hrd = htons(ARPHRD_ETHER);
    claim.arp_pro = htons(ETH_P_IP);
    claim.arp_hln = ETH_ALEN;
    claim.arp_pln = 4;
    claim.arp_op = htons(ARPOP_REPLY);
    const std::array<std::uint8_t, 6> attacker = {2, 0x66, 0x66, 0x66, 0x66, 0x66};
    std::memcpy(claim.arp_sha, attacker.data(), attacker.size());
    std::memcpy(claim.arp_spa, drydock::parse_ip_address(address).value().bytes.data(), 4);
    std::memcpy(claim.arp_tpa, drydock::parse_ip_address("172.17.0.1").value().bytes.data(), 4);
    sockaddr_ll target{};
    target.sll_family = AF_PACKET;
    target.sll_protocol = htons(ETH_P_ARP);
    target.sll_ifindex = link_index(drydock::RouteSocket(), "eth0");
    target.sll_halen = ETH_ALEN;
    std::memset(target.sll_addr, 0xff, ETH_ALEN);
    // The kernel believes no second claim within a second (neigh/default/locktime).
    for (int i = 0; i < 20; ++i) {
        ::sendto(socket.get(), &claim, sizeof(claim), 0, reinterpret_cast<const sockaddr*>(&target),
                 sizeof(target));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

TEST_CASE("networks: no container speaks with another's address", "[07][network][spoof]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string victim = daemon.run("sleep 100");
    const std::string attacker = daemon.run("sleep 100");
    const std::string address =
        daemon.get("/containers/" + victim + "/json").json()["NetworkSettings"]["IPAddress"];
    const auto neighbour = [&] {
        return NetworkWorld::print(world.host(), {"ip", "neigh", "show", address});
    };
    NetworkWorld::fetch(world.host(), address, 80);
    CHECK_THAT(neighbour(), ContainsSubstring("02:42:ac:11:00:02"));
    claim_address(daemon.state(attacker)["Pid"], address);
    CHECK_THAT(neighbour(), ContainsSubstring("02:42:ac:11:00:02"));
}

TEST_CASE("container:x has the network, the name and the files of x", "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string first = daemon.run("hostname -i > /dev/null; sleep 100", {}, "first");
    const std::string address =
        daemon.get("/containers/first/json").json()["NetworkSettings"]["IPAddress"];
    const json joined = {{"HostConfig", {{"NetworkMode", "container:first"}}}};
    const std::string text = output(daemon, "ip -4 addr show eth0; cat /etc/hosts", joined);
    CHECK_THAT(text, ContainsSubstring(address + "/16"));
    CHECK_THAT(text, ContainsSubstring(address + "\t" + first.substr(0, 12)));
    json publishing = joined;
    publishing["HostConfig"]["PortBindings"] = {{"80/tcp", {{{"HostPort", "8080"}}}}};
    publishing["Image"] = "drydock/base";
    CHECK(daemon.call("POST", "/containers/create", publishing.dump()).status == 400);
    const std::string late = daemon.create("true", joined);
    daemon.call("DELETE", "/containers/first?force=1");
    CHECK(daemon.call("POST", "/containers/" + late + "/start").status >= 400);
}

TEST_CASE("network none: loopback and nothing else, host: the host's own", "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    CHECK(output(daemon, "ls /sys/class/net", {{"HostConfig", {{"NetworkMode", "none"}}}}) ==
          "lo\n");
    CHECK_THAT(output(daemon, "ls /sys/class/net", {{"HostConfig", {{"NetworkMode", "host"}}}}),
               ContainsSubstring("uplink"));
}

}  // namespace
