#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill(2)
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "testing/skip.hpp"

#include "network/network_world.hpp"

namespace {

using drydock::UniqueFd;
using drydock::testing::ContainsSubstring;
using drydock::testing::installed_or_skipped;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

json member_of(const std::string& network, const json& dns = json::array()) {
    return {{"HostConfig", {{"NetworkMode", network}, {"Dns", dns}}},
            {"NetworkingConfig", {{"EndpointsConfig", {{network, json::object()}}}}}};
}

void make_shop(TestDaemon& daemon) {
    REQUIRE(daemon.call("POST", "/networks/create", R"({"Name":"shop"})").status == 201);
}

UniqueFd network_of(const TestDaemon& daemon, const std::string& id) {
    return drydock::open_file(
        "/proc/" + std::to_string(daemon.state(id)["Pid"].get<int>()) + "/ns/net", O_RDONLY);
}

/// What dig prints for these words in that network.
std::string dig(const UniqueFd& network, const std::string& words) {
    return NetworkWorld::print(
        network, {"sh", "-c", "dig +short +time=5 +tries=1 @127.0.0.11 " + words + " 2>&1"});
}

/// How many processes with that name are in the world's host.
int count_in(const NetworkWorld& world, const std::string& name) {
    struct stat home{};
    drydock::check(::fstat(world.host().get(), &home), "fstat()");
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        struct stat its{};
        std::error_code gone;
        const auto program = std::filesystem::read_symlink(entry.path() / "exe", gone);
        if (!gone && program.filename() == name &&
            ::stat((entry.path() / "ns/net").c_str(), &its) == 0 && its.st_ino == home.st_ino) {
            ++count;
        }
    }
    return count;
}

/// A server outside. Over UDP every answer is "truncated"; over TCP the address is 10.9.9.9.
class OutsideServer {
  public:
    explicit OutsideServer(const UniqueFd& network) {
        const drydock::VisitedNetwork visit(network.get());
        udp_ = bound(SOCK_DGRAM);
        tcp_ = bound(SOCK_STREAM);
        drydock::check(::listen(tcp_.get(), 8), "listen()");
        thread_ = std::thread([this] { run(); });
    }
    ~OutsideServer() {
        ending_ = true;
        thread_.join();
    }
    OutsideServer(const OutsideServer&) = delete;
    OutsideServer& operator=(const OutsideServer&) = delete;
    OutsideServer(OutsideServer&&) = delete;
    OutsideServer& operator=(OutsideServer&&) = delete;

    [[nodiscard]] int streams() const { return streams_; }

  private:
    static UniqueFd bound(int type) {
        UniqueFd socket(drydock::check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket()"));
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_port = htons(53);
        drydock::check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)),
                       "bind()");
        return socket;
    }
    void run() {
        while (!ending_) {
            std::array<pollfd, 2> events{{{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}}};
            ::poll(events.data(), events.size(), 50);
            std::array<std::uint8_t, 2048> buffer{};
            if (events[0].revents != 0) {
                sockaddr_in from{};
                socklen_t length = sizeof(from);
                const auto size = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                             reinterpret_cast<sockaddr*>(&from), &length);
                buffer[2] = 0x83;  // an answer, truncated
                buffer[3] = 0x80;
                ::sendto(udp_.get(), buffer.data(), static_cast<std::size_t>(size), 0,
                         reinterpret_cast<const sockaddr*>(&from), length);
            }
            if (events[1].revents != 0) {
                const UniqueFd one(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
                const auto size = ::recv(one.get(), buffer.data(), buffer.size(), 0);
                std::vector<std::uint8_t> answer(buffer.begin() + 2, buffer.begin() + size);
                answer[2] = 0x81;
                answer[3] = 0x80;
                answer[7] = 1;
                answer.insert(answer.end(), {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 9, 9, 9});
                answer.insert(answer.begin(), static_cast<std::uint8_t>(answer.size()));
                answer.insert(answer.begin(), 0);
                // In two pieces: a reader must wait for the second.
                ::send(one.get(), answer.data(), 5, 0);
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                ::send(one.get(), answer.data() + 5, answer.size() - 5, MSG_NOSIGNAL);
                ++streams_;
            }
        }
    }
    UniqueFd udp_{};
    UniqueFd tcp_{};
    std::atomic<bool> ending_ = false;
    std::atomic<int> streams_ = 0;
    std::thread thread_{};
};

TEST_CASE("names: who answers ends with the last network that has names, and is there again after",
          "[07][network][dns][names]") {
    if (!installed_or_skipped("dig")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    for (int round = 0; round < 3; ++round) {
        make_shop(daemon);
        const std::string store = daemon.run("sleep 100", member_of("shop"), "store");
        CHECK_THAT(dig(network_of(daemon, store), "store"), ContainsSubstring("172."));
        CHECK(count_in(world, "drydock-names") == 1);
        CHECK(daemon.call("DELETE", "/containers/store?force=1").status == 204);
        CHECK(daemon.call("DELETE", "/networks/shop").status == 204);
        CHECK(soon([&] { return count_in(world, "drydock-names") == 0; }));
    }
}

TEST_CASE("names: are answered while no daemon runs, and after", "[07][network][dns][names]") {
    if (!installed_or_skipped("dig")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_shop(daemon);
    const std::string web = daemon.run("sleep 100", member_of("shop"), "web");
    const std::string asker = daemon.run("sleep 100", member_of("shop"), "asker");
    const UniqueFd there = network_of(daemon, asker);
    const int web_pid = daemon.state(web)["Pid"];
    CHECK(dig(there, "web") == "172.18.0.2\n");
    CHECK(dig(there, "+tcp web.shop") == "172.18.0.2\n");
    CHECK(dig(there, "-x 172.18.0.2") == "web.shop.\n");
    CHECK(count_in(world, "drydock-names") == 1);
    world.kill_daemon();
    CHECK(dig(there, "web") == "172.18.0.2\n");
    world.start_daemon();
    CHECK(count_in(world, "drydock-names") == 1);
    const std::string late = daemon.run("sleep 100", member_of("shop"), "late");
    CHECK(dig(there, "late") == "172.18.0.4\n");
    CHECK(dig(network_of(daemon, late), "web") == "172.18.0.2\n");
    CHECK(daemon.call("POST", "/containers/late/rename?name=later").status == 204);
    CHECK(soon([&] { return dig(there, "later") == "172.18.0.4\n"; }));
    // Who ends while no daemon runs is called nothing any more.
    world.kill_daemon();
    ::kill(web_pid, SIGKILL);
    CHECK(soon([&] { return dig(there, "web").find("172.18") == std::string::npos; }));
    CHECK(dig(there, "later") == "172.18.0.4\n");
    world.start_daemon();
}

TEST_CASE(
    "names: their process ends with the last container, and is started again when it was "
    "killed",
    "[07][network][dns][names]") {
    if (!installed_or_skipped("dig")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    CHECK(count_in(world, "drydock-names") == 0);
    make_shop(daemon);
    const std::string web = daemon.run("sleep 100", member_of("shop"), "web");
    const UniqueFd there = network_of(daemon, web);
    CHECK(dig(there, "web") == "172.18.0.2\n");
    NetworkWorld::print(world.host(), {"sh", "-c",
                                       "for p in $(pgrep -x drydock-names); do [ "
                                       "\"$(readlink /proc/$p/ns/net)\" = \"$(readlink "
                                       "/proc/$$/ns/net)\" ] && kill -9 $p; done"});
    CHECK(soon([&] { return dig(there, "web") != "172.18.0.2\n"; }));
    const std::string other = daemon.run("sleep 100", member_of("shop"), "other");
    CHECK(dig(network_of(daemon, other), "web") == "172.18.0.2\n");
    CHECK(dig(there, "other") == "172.18.0.3\n");
    daemon.call("DELETE", "/containers/web?force=1");
    daemon.call("DELETE", "/containers/other?force=1");
    world.end_daemon();
    CHECK(soon([&] { return count_in(world, "drydock-names") == 0; }));
    world.start_daemon();
}

TEST_CASE(
    "names: what is asked over TCP is passed on over TCP, and the next server is asked when "
    "one is silent",
    "[07][network][dns][names]") {
    if (!installed_or_skipped("dig")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    const OutsideServer server(world.outside());
    make_shop(daemon);
    const std::string one = daemon.run("sleep 100", member_of("shop", {"198.51.100.2"}), "one");
    // dig asks again over TCP when the answer was cut.
    CHECK_THAT(dig(network_of(daemon, one), "+noedns big.example"), ContainsSubstring("10.9.9.9"));
    CHECK(server.streams() == 1);
    const std::string two =
        daemon.run("sleep 100", member_of("shop", {"198.51.100.9", "198.51.100.2"}), "two");
    CHECK_THAT(dig(network_of(daemon, two), "+noedns +tcp other.example"),
               ContainsSubstring("10.9.9.9"));
    const std::string none = daemon.run("sleep 100", member_of("shop", {"198.51.100.9"}), "none");
    CHECK_THAT(NetworkWorld::print(network_of(daemon, none),
                                   {"dig", "+time=8", "+tries=1", "@127.0.0.11", "example.org"}),
               ContainsSubstring("SERVFAIL"));
}

TEST_CASE("names: nonsense, floods and silent connections of one do not disturb another",
          "[07][network][dns][names]") {
    if (!installed_or_skipped("dig")) {
        return;
    }
    NetworkWorld world;
    TestDaemon& daemon = world.daemon();
    make_shop(daemon);
    const std::string bad = daemon.run("sleep 100", member_of("shop"), "bad");
    const std::string good = daemon.run("sleep 100", member_of("shop"), "good");
    std::vector<UniqueFd> silent;
    {
        const UniqueFd network = network_of(daemon, bad);
        const drydock::VisitedNetwork visit(network.get());
        sockaddr_in server{};
        server.sin_family = AF_INET;
        server.sin_port = htons(53);
        server.sin_addr.s_addr = htonl(0x7f00000b);
        const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        for (std::size_t i = 0; i < 2000; ++i) {
            const std::vector<std::uint8_t> bytes(i % 1400, static_cast<std::uint8_t>(i));
            ::sendto(udp.get(), bytes.data(), bytes.size(), 0,
                     reinterpret_cast<const sockaddr*>(&server), sizeof(server));
        }
        const std::vector<std::uint8_t> longest(65507, 0xc0);
        ::sendto(udp.get(), longest.data(), longest.size(), 0,
                 reinterpret_cast<const sockaddr*>(&server), sizeof(server));
        for (int i = 0; i < 100; ++i) {
            UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (::connect(tcp.get(), reinterpret_cast<const sockaddr*>(&server), sizeof(server)) ==
                0) {
                ::send(tcp.get(), "\xff\xff\x00", 3, MSG_NOSIGNAL);
                silent.push_back(std::move(tcp));
            }
        }
    }
    CHECK(dig(network_of(daemon, good), "bad") == "172.18.0.2\n");
    CHECK(dig(network_of(daemon, good), "+tcp bad") == "172.18.0.2\n");
    CHECK(dig(network_of(daemon, bad), "good") == "172.18.0.3\n");
    // EDNS: what is asked for with a larger buffer is answered.
    CHECK(dig(network_of(daemon, good), "+bufsize=4096 +edns=0 bad") == "172.18.0.2\n");
    CHECK_THAT(NetworkWorld::print(network_of(daemon, good),
                                   {"dig", "+time=5", "@127.0.0.11", "AAAA", "bad"}),
               ContainsSubstring("status: NOERROR"));
}

}  // namespace
