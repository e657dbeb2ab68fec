#include "07-compose/api/rootless.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "testing/skip.hpp"

#include "network/network_world.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::installed_or_skipped;
using drydock::testing::NetworkWorld;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

constexpr unsigned kUser = 54321;  // nobody's, and without a range in /etc/subuid

json published_at(const std::string& port) {
    return {{"ExposedPorts", {{"80/tcp", json::object()}}},
            {"HostConfig", {{"PortBindings", {{"80/tcp", {{{"HostPort", port}}}}}}}}};
}

bool serves_count(const drydock::UniqueFd& network, const std::string& where) {
    return soon([&] {
        return NetworkWorld::print(
                   network, {"sh", "-c",
                             "printf 12345 | timeout 5 socat -t 1 - " + where + " 2>&1"}) == "5\n";
    });
}

/// The processes of the user, by name.
std::string processes() {
    return drydock::testing::run_program({"ps", "-U", std::to_string(kUser), "-o", "comm="}).out;
}

TEST_CASE("rootless: an ordinary user has bridges, names, published ports and a way out",
          "[07][network][rootless]") {
    if (!installed_or_skipped("socat") || !installed_or_skipped("setpriv") ||
        !installed_or_skipped("pasta")) {
        return;
    }
    NetworkWorld world({}, kUser);
    TestDaemon& daemon = world.daemon();
    CHECK_THAT(daemon.errors(), ContainsSubstring("one user ID only"));
    const std::string web = daemon.run("nc -ll -p 80 -e wc -c", published_at("8080"), "web");
    CHECK(serves_count(world.host(), "TCP4:127.0.0.1:8080"));
    CHECK(serves_count(world.host(), "TCP6:[::1]:8080"));
    CHECK(serves_count(world.outside(), "TCP4:198.51.100.1:8080"));
    // A bridge of its own, which the host does not see.
    CHECK_THAT(NetworkWorld::print(world.host(), {"ip", "-br", "link"}), !ContainsSubstring("br-"));
    const std::string ping = daemon.run("ping -c 1 -w 5 172.17.0.2");
    CHECK(daemon.wait(ping) == 0);
    // Names, in a network of the user.
    REQUIRE(daemon.call("POST", "/networks/create", R"({"Name":"shop"})").status == 201);
    const json shop = {{"HostConfig", {{"NetworkMode", "shop"}}}};
    static_cast<void>(daemon.run("sleep 100", shop, "store"));
    const std::string asker = daemon.run("ping -c 1 -w 5 store", shop);
    CHECK(daemon.wait(asker) == 0);
    // The way out, where the machine lets ordinary users have one.
    struct stat tun{};
    if (::stat("/dev/net/tun", &tun) == 0 && (tun.st_mode & 06U) == 06U) {
        const std::string out = daemon.run("nc -w 5 198.51.100.2 9; echo $?");
        static_cast<void>(daemon.wait(out));
        CHECK_THAT(daemon.logs(out), ContainsSubstring("refused"));
    } else {
        CHECK_THAT(daemon.errors(), ContainsSubstring("nothing outside is reached"));
    }
    // What cannot be had is said.
    const auto low =
        daemon.call("POST", "/containers/" + daemon.create("true", published_at("80")) + "/start");
    CHECK(low.status == 500);
    CHECK_THAT(low.body, ContainsSubstring("ermission denied"));
    const std::string limited = daemon.create("true", {{"HostConfig", {{"Memory", 64 << 20}}}});
    const auto refused = daemon.call("POST", "/containers/" + limited + "/start");
    CHECK(refused.status >= 400);
    CHECK_THAT(refused.body, ContainsSubstring("limits cannot be had"));
}

TEST_CASE("rootless: containers, addresses and ports outlive the daemon, and nothing is left",
          "[07][network][rootless]") {
    if (!installed_or_skipped("socat") || !installed_or_skipped("setpriv")) {
        return;
    }
    NetworkWorld world({}, kUser);
    TestDaemon& daemon = world.daemon();
    const std::string web = daemon.run("nc -ll -p 80 -e wc -c", published_at("8080"), "web");
    CHECK(serves_count(world.host(), "TCP4:127.0.0.1:8080"));
    world.kill_daemon();
    CHECK(serves_count(world.host(), "TCP4:127.0.0.1:8080"));
    world.start_daemon();
    CHECK(serves_count(world.host(), "TCP4:127.0.0.1:8080"));
    CHECK(daemon.state(web)["Running"] == true);
    const std::string second = daemon.create("true", published_at("8080"));
    CHECK(daemon.call("POST", "/containers/" + second + "/start").status == 500);
    daemon.call("DELETE", "/containers/" + second + "?force=1");
    daemon.call("DELETE", "/containers/web?force=1");
    world.end_daemon();
    CHECK(soon([] { return processes().empty(); }));
    INFO(processes());
    CHECK_THAT(NetworkWorld::print(world.host(), {"ss", "-Hltun", "sport = 8080"}),
               !ContainsSubstring("8080"));
    world.start_daemon();
}

}  // namespace
