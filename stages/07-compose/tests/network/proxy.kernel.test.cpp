#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill(2)

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "testing/skip.hpp"

#include "network/network_world.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::installed_or_skipped;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

// The count comes when the other side has said that there is no more.
constexpr const char* kCount = "exec nc -ll -p 80 -e wc -c";

json published(const json& bindings) {
    json exposed = json::object();
    for (const auto& [port, list] : bindings.items()) {
        exposed[port] = json::object();
    }
    return {{"ExposedPorts", exposed}, {"HostConfig", {{"PortBindings", bindings}}}};
}

json at(const std::string& host_port, const std::string& host_ip = "") {
    return json::array({{{"HostIp", host_ip}, {"HostPort", host_port}}});
}

/// What comes back for `text` from "TCP6:[::1]:8080", say.
std::string ask(const drydock::UniqueFd& network, const std::string& where,
                const std::string& text = "12345") {
    return NetworkWorld::print(
        network, {"sh", "-c", "printf " + text + " | timeout 5 socat -t 1 - " + where + " 2>&1"});
}

bool counts(const drydock::UniqueFd& network, const std::string& where) {
    return soon([&] { return ask(network, where) == "5\n"; });
}

bool echoes(const drydock::UniqueFd& network, const std::string& where) {
    return soon([&] { return ask(network, where) == "12345"; });
}

/// Sends every datagram back that comes to port 53 of a container, while it lives.
class Echo {
  public:
    explicit Echo(int pid) {
        const drydock::UniqueFd network =
            drydock::open_file("/proc/" + std::to_string(pid) + "/ns/net", O_RDONLY);
        const drydock::VisitedNetwork visit(network.get());
        socket_ = drydock::UniqueFd(
            drydock::check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket()"));
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_port = htons(53);
        drydock::check(
            ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)),
            "bind()");
        thread_ = std::thread([this] { run(); });
    }
    ~Echo() {
        ending_ = true;
        thread_.join();
    }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;
    Echo(Echo&&) = delete;
    Echo& operator=(Echo&&) = delete;

  private:
    void run() const {
        while (!ending_) {
            std::array<char, 2048> buffer{};
            sockaddr_in from{};
            socklen_t length = sizeof(from);
            pollfd event{socket_.get(), POLLIN, 0};
            const auto size =
                ::poll(&event, 1, 50) == 1
                    ? ::recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&from), &length)
                    : -1;
            if (size >= 0) {
                ::sendto(socket_.get(), buffer.data(), static_cast<std::size_t>(size), 0,
                         reinterpret_cast<const sockaddr*>(&from), length);
            }
        }
    }
    drydock::UniqueFd socket_{};
    std::atomic<bool> ending_ = false;
    std::thread thread_{};
};

/// Of the proxy that its lease names; 0 when it has none.
int proxy_of(const TestDaemon& daemon, const std::string& id) {
    const json lease =
        json::parse(drydock::read_file(daemon.data_root() / "containers" / id / "network.json"));
    return lease.contains("proxy") ? lease["proxy"]["pid"].get<int>() : 0;
}

/// That a process is there which is no zombie.
bool runs(int pid) {
    try {
        const std::string status = drydock::read_file("/proc/" + std::to_string(pid) + "/status");
        return status.find("State:\tZ") == std::string::npos;
    } catch (const std::system_error&) {
        return false;
    }
}

/// The host has 2001:db8::1, and the outside 2001:db8::2.
void add_ipv6(NetworkWorld& world) {
    NetworkWorld::print(world.host(),
                        {"ip", "addr", "add", "2001:db8::1/64", "dev", "uplink", "nodad"});
    NetworkWorld::print(world.outside(),
                        {"ip", "addr", "add", "2001:db8::2/64", "dev", "eth0", "nodad"});
}

const json kBoth = {{"80/tcp", at("8080")}, {"53/udp", at("5353")}};

TEST_CASE("publish: [::1] and IPv6 addresses of the host lead to a container that has IPv4 only",
          "[07][network][ports][proxy]") {
    if (!installed_or_skipped("socat")) {
        return;
    }
    NetworkWorld world;
    add_ipv6(world);
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kCount, published(kBoth));
    const Echo echo(daemon.state(id)["Pid"]);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    CHECK(counts(world.host(), "TCP4:127.0.0.1:8080"));
    CHECK(counts(world.outside(), "TCP6:[2001:db8::1]:8080"));
    CHECK(echoes(world.host(), "UDP6:[::1]:5353"));
    CHECK(echoes(world.host(), "UDP4:127.0.0.1:5353"));
    CHECK(echoes(world.outside(), "UDP6:[2001:db8::1]:5353"));
    const json ports = daemon.get("/containers/" + id + "/json").json()["NetworkSettings"]["Ports"];
    CHECK(ports["80/tcp"] == json::parse(R"([{"HostIp":"0.0.0.0","HostPort":"8080"},
                                             {"HostIp":"::","HostPort":"8080"}])"));
    const int proxy = proxy_of(daemon, id);
    REQUIRE(runs(proxy));
    CHECK_THAT(drydock::read_file("/proc/" + std::to_string(proxy) + "/status"),
               ContainsSubstring("CapEff:\t0000000000000000"));
    CHECK(daemon.call("POST", "/containers/" + id + "/kill").status == 204);
    CHECK(soon([&] { return !runs(proxy); }));
    CHECK_THAT(ask(world.host(), "TCP6:[::1]:8080"), ContainsSubstring("refused"));
    // The port is free at once.
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
}

TEST_CASE("publish: only where it was asked for", "[07][network][ports][proxy]") {
    if (!installed_or_skipped("socat")) {
        return;
    }
    NetworkWorld world;
    add_ipv6(world);
    TestDaemon& daemon = world.daemon();
    const std::string v4 = daemon.run(kCount, published({{"80/tcp", at("8080", "0.0.0.0")}}));
    CHECK(counts(world.host(), "TCP4:127.0.0.1:8080"));
    CHECK_THAT(ask(world.host(), "TCP6:[::1]:8080"), ContainsSubstring("refused"));
    CHECK(proxy_of(daemon, v4) == 0);
    const std::string v6 = daemon.run(kCount, published({{"80/tcp", at("8081", "::1")}}));
    CHECK(counts(world.host(), "TCP6:[::1]:8081"));
    CHECK_THAT(ask(world.host(), "TCP4:127.0.0.1:8081"), ContainsSubstring("refused"));
    CHECK_THAT(ask(world.outside(), "TCP6:[2001:db8::1]:8081"), ContainsSubstring("refused"));
    // [::]:8082 is a program's: the same port of 0.0.0.0 alone is not what was asked for.
    const drydock::UniqueFd taken = [&] {
        const drydock::VisitedNetwork visit(world.host().get());
        drydock::UniqueFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(8082);
        drydock::check(
            ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            "bind()");
        return socket;
    }();
    const std::string third = daemon.create(kCount, published({{"80/tcp", at("8082")}}));
    const auto refused = daemon.call("POST", "/containers/" + third + "/start");
    CHECK(refused.status == 500);
    CHECK_THAT(refused.body, ContainsSubstring("8082 failed: address already in use"));
    const std::string fourth = daemon.run(kCount, published({{"80/tcp", at("8082-8083")}}));
    CHECK(counts(world.host(), "TCP6:[::1]:8083"));
    CHECK(counts(world.host(), "TCP4:127.0.0.1:8083"));
}

TEST_CASE("proxy: outlives the daemon, and ends with its container", "[07][network][proxy]") {
    if (!installed_or_skipped("socat")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kCount, published(kBoth));
    const Echo echo(daemon.state(id)["Pid"]);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    const int proxy = proxy_of(daemon, id);
    const int pid = daemon.state(id)["Pid"];
    world.kill_daemon();
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    CHECK(echoes(world.host(), "UDP6:[::1]:5353"));
    world.start_daemon();
    CHECK(proxy_of(daemon, id) == proxy);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    world.kill_daemon();
    ::kill(pid, SIGKILL);
    CHECK(soon([&] { return !runs(proxy); }));
    world.start_daemon();
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    // One that was killed is there again with the next daemon.
    const int second = proxy_of(daemon, id);
    ::kill(second, SIGKILL);
    world.restart_daemon(SIGKILL);
    CHECK(counts(world.host(), "TCP6:[::1]:8080"));
    CHECK(proxy_of(daemon, id) != second);
}

TEST_CASE("proxy: a start that fails leaves none, and no port taken", "[07][network][proxy]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    json body = published(kBoth);
    body["Image"] = "drydock/base";
    body["Cmd"] = {"/no/such/program"};
    const std::string id =
        daemon.call("POST", "/containers/create", body.dump()).json()["Id"].get<std::string>();
    for (int i = 0; i < 3; ++i) {
        CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 400);
    }
    CHECK(NetworkWorld::print(world.host(), {"ss", "-Hltun", "sport = 8080 or sport = 5353"}) ==
          "");
    const std::string children = NetworkWorld::print(
        world.host(), {"ps", "--ppid", std::to_string(daemon.pid()), "-o", "comm="});
    CHECK_THAT(children, !ContainsSubstring("drydock-proxy"));
}

TEST_CASE("proxy: serves everything where the kernel has no NAT", "[07][network][proxy]") {
    if (!installed_or_skipped("socat")) {
        return;
    }
    NetworkWorld world({"--no-nat"});
    add_ipv6(world);
    TestDaemon& daemon = world.daemon();
    const std::string id = daemon.run(kCount, published(kBoth));
    const Echo echo(daemon.state(id)["Pid"]);
    CHECK_THAT(NetworkWorld::print(world.host(), {"nft", "list", "ruleset"}),
               !ContainsSubstring("type nat"));
    for (const char* where : {"TCP4:127.0.0.1:8080", "TCP4:198.51.100.1:8080", "TCP6:[::1]:8080"}) {
        INFO(where);
        CHECK(counts(world.host(), where));
    }
    for (const char* where : {"TCP4:198.51.100.1:8080", "TCP6:[2001:db8::1]:8080"}) {
        INFO(where);
        CHECK(counts(world.outside(), where));
    }
    CHECK(echoes(world.host(), "UDP4:127.0.0.1:5353"));
    CHECK(echoes(world.outside(), "UDP4:198.51.100.1:5353"));
    // Hairpin: another container by way of the host's address.
    const std::string other = daemon.run("printf 12345 | nc -w 3 198.51.100.1 8080");
    CHECK(daemon.wait(other) == 0);
    CHECK(daemon.logs(other) == "5\n");
    // The container is still not reached from outside but by its port.
    CHECK_THAT(ask(world.outside(), "TCP4:172.17.0.2:80,connect-timeout=1"),
               !ContainsSubstring("5\n"));
}

TEST_CASE("publish: a kernel without SCTP sockets is said, and does not fail",
          "[07][network][ports][proxy]") {
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const drydock::UniqueFd sctp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
    const std::string id = daemon.run("sleep 100", published({{"80/sctp", at("8080")}}));
    CHECK_THAT(NetworkWorld::print(world.host(), {"nft", "list", "ruleset"}),
               ContainsSubstring("sctp . 8080 : 172.17.0.2 . 80"));
    CHECK((daemon.errors().find("no SCTP sockets") != std::string::npos) == !sctp);
}

}  // namespace
