#include "07-compose/cli/network_spec.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::InputError;
using drydock::cli::NetworkSpec;
using drydock::cli::parse_publish;
using nlohmann::json;

std::string shown(const char* text) {
    std::string result;
    for (const auto& port : parse_publish(text, "-p")) {
        result += port.host_ip + "|" + port.host_port + "|" + port.container + " ";
    }
    return result;
}

TEST_CASE("run -p: every way to write it", "[07][cli][ports]") {
    CHECK(shown("80") == "||80/tcp ");
    CHECK(shown("8080:80") == "|8080|80/tcp ");
    CHECK(shown("127.0.0.1:8080:80/udp") == "127.0.0.1|8080|80/udp ");
    CHECK(shown("127.0.0.1::80") == "127.0.0.1||80/tcp ");
    CHECK(shown("[::1]:8080:80") == "::1|8080|80/tcp ");
    CHECK(shown("8000-8001:80-81") == "|8000|80/tcp |8001|81/tcp ");
    CHECK(shown("8000-8010:80") == "|8000-8010|80/tcp ");
}

TEST_CASE("run -p: what is no port", "[07][cli][ports]") {
    for (const char* text : {"", "x", "80:x", "80/icmp", "70000", "8000-8005:80-81", "81-80",
                             "[::1:80", "8080:0", "1:2:3:4"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_publish(text, "-p"), InputError);
    }
}

TEST_CASE("create body: networks, ports and names stand where docker has them", "[07][cli]") {
    json body = {{"HostConfig", json::object()}};
    const NetworkSpec spec{.endpoints = {{"second", {.aliases = {"b"}}}},
                           .first = {.aliases = {"a"}, .ipv4 = "10.0.0.9"},
                           .publish = {"8080:80"},
                           .links = {"db:store"},
                           .extra_hosts = {"x:1.1.1.1"}};
    put_networks(body, spec, "first");
    const json endpoints = body["NetworkingConfig"]["EndpointsConfig"];
    CHECK(endpoints["first"]["IPAMConfig"]["IPv4Address"] == "10.0.0.9");
    CHECK(endpoints["second"]["Aliases"][0] == "b");
    CHECK(body["ExposedPorts"].contains("80/tcp"));
    CHECK(body["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == "8080");
    CHECK(body["HostConfig"]["Links"][0] == "db:store");
    CHECK(body["HostConfig"]["ExtraHosts"][0] == "x:1.1.1.1");
}

}  // namespace
