#include "01-chroot/error.hpp"
#include "07-compose/names/dns_message.hpp"
#include "07-compose/network/etc_files.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::Bytes;
using drydock::Container;
using drydock::InputError;
using drydock::NetworkLease;
using drydock::parse_ip_address;
using drydock::testing::ContainsSubstring;

/// A query as a resolver writes it.
Bytes query(const std::string& name, std::uint8_t type) {
    Bytes bytes = {0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    std::string label;
    for (const char c : name + ".") {
        if (c != '.') {
            label += c;
            continue;
        }
        bytes.push_back(static_cast<std::uint8_t>(label.size()));
        bytes.insert(bytes.end(), label.begin(), label.end());
        label.clear();
    }
    bytes.insert(bytes.end(), {0, 0, type, 0, 1});
    return bytes;
}

TEST_CASE("DNS: a question is read, names in lower case", "[07][dns]") {
    const auto question = drydock::parse_dns_question(query("Web.Net1", 28));
    REQUIRE(question);
    CHECK(question->name == "web.net1");
    CHECK(question->type == drydock::kDnsAaaa);
    CHECK(question->most_bytes == 512);
}

TEST_CASE("DNS: addresses of the kind that is asked for, or none", "[07][dns]") {
    const Bytes asked = query("web", drydock::kDnsA);
    const Bytes answer = drydock::dns_addresses(
        asked, {*parse_ip_address("10.0.0.2"), *parse_ip_address("fd00::2")});
    REQUIRE(answer.size() > asked.size());
    CHECK(answer[0] == 0x12);
    CHECK((answer[2] & 0x80U) != 0);
    CHECK((answer[3] & 0x0fU) == 0);
    CHECK(answer[7] == 1);  // one record
    CHECK(Bytes(answer.end() - 4, answer.end()) == Bytes{10, 0, 0, 2});
    const Bytes none =
        drydock::dns_addresses(query("web", drydock::kDnsAaaa), {*parse_ip_address("10.0.0.2")});
    CHECK((none[3] & 0x0fU) == 0);
    CHECK(none[7] == 0);
}

TEST_CASE("DNS: what is no question is none, whatever its bytes", "[07][dns]") {
    Bytes looping = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1};
    Bytes cut = query("web", 1);
    cut.resize(cut.size() - 3);
    Bytes two = query("web", 1);
    two[5] = 2;
    Bytes reply = query("web", 1);
    reply[2] |= 0x80U;
    for (const Bytes& bytes :
         {Bytes{}, Bytes{1, 2, 3}, looping, cut, two, reply, Bytes(70000, 0xff)}) {
        CHECK_FALSE(drydock::parse_dns_question(bytes));
        const Bytes answer = drydock::dns_failure(bytes, drydock::DnsCode::FormatError);
        CHECK((answer.empty() || answer.size() >= 12));
    }
    // Every cut and every changed byte of a good one: it says something or nothing, and goes on.
    const Bytes good = query("a.long.name.of.some.container", 1);
    for (std::size_t i = 0; i < good.size(); ++i) {
        Bytes changed = good;
        changed[i] = static_cast<std::uint8_t>(changed[i] ^ 0xffU);
        static_cast<void>(drydock::parse_dns_question(changed));
        static_cast<void>(drydock::parse_dns_question(
            Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i))));
    }
}

TEST_CASE("DNS: addresses in names of PTR questions", "[07][dns]") {
    CHECK(to_text(*drydock::address_of_pointer_name("2.0.17.172.in-addr.arpa")) == "172.17.0.2");
    CHECK(to_text(*drydock::address_of_pointer_name(
              "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa")) ==
          "fd00::2");
    for (const char* name :
         {"web", "1.2.in-addr.arpa", "x.0.17.172.in-addr.arpa", ".in-addr.arpa"}) {
        CHECK_FALSE(drydock::address_of_pointer_name(name));
    }
}

Container container() {
    Container one{.id = std::string(64, 'a'), .name = "web"};
    one.config.hostname = "host1";
    return one;
}

NetworkLease lease_in(const std::string& network) {
    NetworkLease lease;
    lease.endpoints.push_back(
        {.network_name = network, .ipv4 = drydock::parse_subnet("10.0.0.2/24")});
    return lease;
}

TEST_CASE("hosts: loopback, what --add-host says, and the container itself", "[07][etc]") {
    Container one = container();
    one.config.network.extra_hosts = {"db:10.1.1.1", "gate:host-gateway"};
    const std::string text = hosts_text(one, lease_in("n"), *parse_ip_address("172.17.0.1"));
    CHECK_THAT(text, ContainsSubstring("127.0.0.1\tlocalhost\n"));
    CHECK_THAT(text, ContainsSubstring("10.1.1.1\tdb\n"));
    CHECK_THAT(text, ContainsSubstring("172.17.0.1\tgate\n"));
    CHECK_THAT(text, ContainsSubstring("10.0.0.2\thost1\n"));
}

TEST_CASE("resolv.conf: the host's without loopback, ours in user networks, or as asked",
          "[07][etc]") {
    const std::string host =
        "nameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch example.org\noptions edns0\n";
    CHECK(resolv_text(container(), lease_in("bridge"), host) ==
          "nameserver 9.9.9.9\nsearch example.org\noptions edns0\n");
    CHECK(resolv_text(container(), lease_in("mine"), host) ==
          "nameserver 127.0.0.11\nsearch example.org\noptions edns0 ndots:0\n");
    Container asked = container();
    asked.config.network.dns = {"1.1.1.1"};
    asked.config.network.dns_search = {"."};
    CHECK(resolv_text(asked, lease_in("bridge"), host) == "nameserver 1.1.1.1\noptions edns0\n");
}

TEST_CASE("etc files: what --add-host and --dns cannot be", "[07][etc]") {
    for (const char* host : {"db", "db:", ":1.1.1.1", "db:here", "a b:1.1.1.1"}) {
        INFO(host);
        CHECK_THROWS_AS(drydock::check_etc_settings({.extra_hosts = {host}}), InputError);
    }
    CHECK_THROWS_AS(drydock::check_etc_settings({.dns = {"one"}}), InputError);
    CHECK_THROWS_AS(drydock::check_etc_settings({.dns_search = {"a\nnameserver 1.1.1.1"}}),
                    InputError);
}

}  // namespace
