#include <memory>

#include "network/network_world.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

constexpr const char* kServe = "while true; do echo hello | nc -l -p 80; done";

json publishing(const std::string& host_port, const std::string& host_ip = "") {
    return {{"ExposedPorts", {{"80/tcp", json::object()}}},
            {"HostConfig",
             {{"PortBindings", {{"80/tcp", {{{"HostIp", host_ip}, {"HostPort", host_port}}}}}}}}};
}

json inspect(TestDaemon& daemon, const std::string& id) {
    return daemon.get("/containers/" + id + "/json").json();
}

std::string address_of(TestDaemon& daemon, const std::string& id) {
    return inspect(daemon, id)["NetworkSettings"]["IPAddress"];
}

bool serves(const drydock::UniqueFd& from, const std::string& address, int port) {
    return soon([&] { return NetworkWorld::fetch(from, address, port) == "hello\n"; });
}

TEST_CASE("bridge: containers have addresses, reach the outside, and are not reached from there",
          "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kServe);
    const std::string address = address_of(daemon, id);
    CHECK(address == "172.17.0.2");
    CHECK(serves(world.host(), address, 80));
    CHECK(NetworkWorld::fetch(world.outside(), address, 80) != "hello\n");
    // The outside has no route back to containers: what reaches it carries the host's address.
    const std::string ping = daemon.run("ping -c 1 -w 5 198.51.100.2");
    CHECK(daemon.wait(ping) == 0);
    const json networks = inspect(daemon, id)["NetworkSettings"]["Networks"];
    CHECK(networks["bridge"]["Gateway"] == "172.17.0.1");
    CHECK(networks["bridge"]["MacAddress"] == "02:42:ac:11:00:02");
}

TEST_CASE("publish: reachable from outside, from 127.0.0.1, from the host's address and by hairpin",
          "[07][network][ports]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kServe, publishing("8080"));
    CHECK(serves(world.outside(), "198.51.100.1", 8080));
    CHECK(serves(world.host(), "127.0.0.1", 8080));
    CHECK(serves(world.host(), "198.51.100.1", 8080));
    const std::string other = daemon.run("nc -w 3 198.51.100.1 8080");
    CHECK(daemon.wait(other) == 0);
    CHECK(daemon.logs(other) == "hello\n");
    CHECK(inspect(daemon, id)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] == "8080");
    const json listed = daemon.get("/containers/json").json();
    CHECK(listed[0]["Ports"][0]["PublicPort"] == 8080);
    CHECK(daemon.call("POST", "/containers/" + id + "/stop?t=0").status == 204);
    CHECK(soon(
        [&] { return NetworkWorld::fetch(world.outside(), "198.51.100.1", 8080) == "refused"; }));
}

TEST_CASE("publish: on 127.0.0.1 it is not reachable from outside", "[07][network][ports]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kServe, publishing("8080", "127.0.0.1"));
    CHECK(serves(world.host(), "127.0.0.1", 8080));
    CHECK(NetworkWorld::fetch(world.outside(), "198.51.100.1", 8080) == "refused");
    // A neighbour may send what it likes to 127.0.0.1: the host drops it.
    NetworkWorld::print(world.outside(), {"sh", "-c",
                                          "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; "
                                          "ip addr del 127.0.0.1/8 dev lo; "
                                          "ip route add 127.0.0.1/32 via 198.51.100.1"});
    CHECK(NetworkWorld::fetch(world.outside(), "127.0.0.1", 8080) != "hello\n");
}

TEST_CASE("publish: a port is one container's, whatever has it", "[07][network][ports]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string first = daemon.run(kServe, publishing("8080"));
    const std::string second = daemon.create(kServe, publishing("8080", "127.0.0.1"));
    const auto refused = daemon.call("POST", "/containers/" + second + "/start");
    CHECK(refused.status == 500);
    CHECK_THAT(refused.body,
               ContainsSubstring("Bind for 127.0.0.1:8080 failed: port is already allocated"));
    daemon.call("DELETE", "/containers/" + first + "?force=1");
    CHECK(daemon.call("POST", "/containers/" + second + "/start").status == 204);
    // A range takes the first that is free, and no number at all any.
    const std::string third = daemon.run(kServe, publishing("8080-8082"));
    CHECK(inspect(daemon, third)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] == "8081");
    const std::string fourth = daemon.run(kServe, publishing(""));
    const int port =
        std::stoi(inspect(daemon, fourth)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
                      .get<std::string>());
    CHECK(port >= 32768);
    CHECK(serves(world.outside(), "198.51.100.1", port));
}

TEST_CASE("publish: a daemon that is killed and started again keeps ports, addresses and rules",
          "[07][network][ports]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kServe, publishing("8080"));
    const std::string address = address_of(daemon, id);
    world.restart_daemon(SIGKILL);
    CHECK(serves(world.outside(), "198.51.100.1", 8080));
    CHECK(address_of(daemon, id) == address);
    const std::string other = daemon.run("sleep 100");
    CHECK(address_of(daemon, other) != address);
    const std::string second = daemon.create(kServe, publishing("8080"));
    CHECK(daemon.call("POST", "/containers/" + second + "/start").status == 500);
    // Whoever flushes all rules: a restart brings ours back.
    NetworkWorld::print(world.host(), {"nft", "flush", "ruleset"});
    world.restart_daemon(SIGTERM);
    CHECK(serves(world.outside(), "198.51.100.1", 8080));
    CHECK(NetworkWorld::fetch(world.outside(), address, 80) != "hello\n");
}

TEST_CASE("networks: nothing is left on the host when the daemon has ended", "[07][network]") {
    NetworkWorld world;
    const auto state = [&] {
        return NetworkWorld::print(world.host(), {"ip", "-br", "link"}) +
               NetworkWorld::print(world.host(), {"ip", "route"}) +
               NetworkWorld::print(world.host(), {"nft", "list", "ruleset"}) +
               NetworkWorld::print(world.host(), {"cat", "/proc/sys/net/ipv4/ip_forward"});
    };
    const std::string before = state();
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run("sleep 100", publishing("8080"));
    CHECK(state() != before);
    // Not even what a daemon has left that was killed, and whose container ended without it.
    world.restart_daemon(SIGKILL);
    daemon.call("DELETE", "/containers/" + id + "?force=1");
    world.restart_daemon(SIGKILL);
    world.end_daemon();
    CHECK(state() == before);
    world.start_daemon();
}

TEST_CASE("networks: other people's rules stay as they are", "[07][network]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    NetworkWorld::print(world.host(),
                        {"nft", "add table inet theirs { chain c { counter drop; } ; }"});
    const std::string theirs =
        NetworkWorld::print(world.host(), {"nft", "list", "table", "inet", "theirs"});
    CHECK_THAT(theirs, ContainsSubstring("drop"));
    const std::string id = daemon.run("sleep 100", publishing("8080"));
    daemon.call("DELETE", "/containers/" + id + "?force=1");
    CHECK(NetworkWorld::print(world.host(), {"nft", "list", "table", "inet", "theirs"}) == theirs);
}

}  // namespace
