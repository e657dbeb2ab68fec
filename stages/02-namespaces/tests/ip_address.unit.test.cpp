#include "02-namespaces/ip_address.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::IpAddress;
using drydock::parse_ip_address;
using drydock::parse_subnet;
using drydock::Subnet;
using drydock::to_text;

TEST_CASE("IpAddress: what is parsed is written as it was", "[02][ip-address]") {
    for (const char* text : {"172.17.0.2", "0.0.0.0", "fd00::2", "::1", "2001:db8::ff:1"}) {
        const auto address = parse_ip_address(text);
        REQUIRE(address);
        CHECK(to_text(*address) == text);
    }
    CHECK(parse_ip_address("::1")->is_v6());
    CHECK(parse_ip_address("::1")->data().size() == 16);
    CHECK(parse_ip_address("10.0.0.1")->data().size() == 4);
    CHECK(to_text(IpAddress{}).empty());
}

TEST_CASE("IpAddress: what is no address is none", "[02][ip-address]") {
    for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "fe80::1%eth0",
                             "localhost", ":::", "1.2.3.4/8", "01.2.3.4"}) {
        INFO(text);
        CHECK_FALSE(parse_ip_address(text));
    }
    for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
                             "10.0.0.0/8x", "/8", "fd00::/129"}) {
        INFO(text);
        CHECK_FALSE(parse_subnet(text));
    }
}

TEST_CASE("Subnet: first and last address, members and overlaps", "[02][ip-address]") {
    const Subnet subnet = *parse_subnet("172.18.5.7/20");
    CHECK(to_text(first_address(subnet)) == "172.18.0.0");
    CHECK(to_text(last_address(subnet)) == "172.18.15.255");
    CHECK(contains(subnet, *parse_ip_address("172.18.15.1")));
    CHECK_FALSE(contains(subnet, *parse_ip_address("172.18.16.0")));
    CHECK_FALSE(contains(subnet, *parse_ip_address("::1")));
    CHECK(contains(*parse_subnet("0.0.0.0/0"), *parse_ip_address("8.8.8.8")));
    CHECK(overlap(*parse_subnet("10.0.0.0/8"), *parse_subnet("10.9.0.0/16")));
    CHECK(overlap(*parse_subnet("10.9.0.0/16"), *parse_subnet("10.0.0.0/8")));
    CHECK_FALSE(overlap(*parse_subnet("10.0.0.0/16"), *parse_subnet("10.1.0.0/16")));
    CHECK_FALSE(overlap(*parse_subnet("0.0.0.0/0"), *parse_subnet("fd00::/8")));
    CHECK(to_text(last_address(*parse_subnet("fd00::/126"))) == "fd00::3");
}

TEST_CASE("IpAddress: addition carries from byte to byte", "[02][ip-address]") {
    CHECK(to_text(plus(*parse_ip_address("172.17.0.255"), 1)) == "172.17.1.0");
    CHECK(to_text(plus(*parse_ip_address("172.17.0.0"), 65'538)) == "172.18.0.2");
    CHECK(to_text(plus(*parse_ip_address("fd00::ffff"), 1)) == "fd00::1:0");
    CHECK(to_text(plus(*parse_ip_address("255.255.255.255"), 1)) == "0.0.0.0");
}

}  // namespace
