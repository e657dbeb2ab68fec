#include "07-compose/network/firewall.hpp"

#include "01-chroot/error.hpp"
#include "07-compose/network/host_ports.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::FirewallRules;
using drydock::InputError;
using drydock::NetworkSettings;
using drydock::parse_ip_address;
using drydock::parse_subnet;
using drydock::port_requests;
using drydock::testing::ContainsSubstring;

TEST_CASE("ruleset: each network is masqueraded, but not the internal ones", "[07][firewall]") {
    const std::string text = drydock::ruleset(
        "t",
        {.networks = {{.bridge = "br-1", .ipv4 = parse_subnet("10.1.0.0/24"), .masquerade = true},
                      {.bridge = "br-2",
                       .ipv4 = parse_subnet("10.2.0.0/24"),
                       .internal = true,
                       .masquerade = true}}});
    CHECK_THAT(text,
               ContainsSubstring(R"(ip saddr 10.1.0.0/24 oifname != "br-1" counter masquerade)"));
    CHECK_THAT(text, !ContainsSubstring(R"(oifname != "br-2")"));
    CHECK_THAT(text, ContainsSubstring(R"(set internal { type ifname; elements = { "br-2", }; })"));
}

TEST_CASE("ruleset: a port of every address and a port of one", "[07][firewall]") {
    const std::string text =
        drydock::ruleset("t", {.forwardings = {{.protocol = "tcp",
                                                .host_address = *parse_ip_address("0.0.0.0"),
                                                .host_port = 8080,
                                                .container_address = *parse_ip_address("10.1.0.2"),
                                                .container_port = 80},
                                               {.protocol = "udp",
                                                .host_address = *parse_ip_address("127.0.0.1"),
                                                .host_port = 53,
                                                .container_address = *parse_ip_address("10.1.0.3"),
                                                .container_port = 53}}});
    CHECK_THAT(text, ContainsSubstring("tcp . 8080 : 10.1.0.2 . 80"));
    CHECK_THAT(text, ContainsSubstring("udp . 127.0.0.1 . 53 : 10.1.0.3 . 53"));
}

TEST_CASE("port_requests: -p, -P and EXPOSE together", "[07][ports]") {
    NetworkSettings settings{.ports = {{"80/tcp", {{.host_ip = "", .host_port = "8000-8010"}}},
                                       {"53/udp", {{.host_ip = "127.0.0.1", .host_port = ""}}}}};
    auto requests = port_requests(settings, {"80/tcp", "443"}, {});
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].protocol == "udp");
    CHECK(requests[0].first == 0);
    CHECK(requests[1].first == 8000);
    CHECK(requests[1].last == 8010);
    settings.publish_all = true;
    requests = port_requests(settings, {"80/tcp", "443"}, *parse_ip_address("10.0.0.1"));
    REQUIRE(requests.size() == 3);
    CHECK(requests[2].container_port == 443);
    CHECK(to_text(requests[2].host_address) == "10.0.0.1");
}

TEST_CASE("port_requests: what is no port", "[07][ports]") {
    for (const char* port : {"0/tcp", "x/tcp", "80/icmp", "70000/tcp", ""}) {
        INFO(port);
        CHECK_THROWS_AS(port_requests({.ports = {{port, {{}}}}}, {}, {}), InputError);
    }
    for (const char* host : {"x", "-1", "70000", "90-80", "80-"}) {
        INFO(host);
        CHECK_THROWS_AS(port_requests({.ports = {{"80/tcp", {{.host_port = host}}}}}, {}, {}),
                        InputError);
    }
    CHECK_THROWS_AS(port_requests({.ports = {{"80/tcp", {{.host_ip = "here"}}}}}, {}, {}),
                    InputError);
}

}  // namespace
