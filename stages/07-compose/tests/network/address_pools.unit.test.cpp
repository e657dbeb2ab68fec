#include "07-compose/network/address_pools.hpp"

#include "01-chroot/error.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::AddressPool;
using drydock::EngineError;
using drydock::InputError;
using drydock::IpAddress;
using drydock::make_pool;
using drydock::Network;
using drydock::parse_ip_address;
using drydock::parse_subnet;
using drydock::PoolRequest;
using drydock::Subnet;

TEST_CASE("make_pool: the first of docker's subnets that nobody routes", "[07][network]") {
    const AddressPool first = make_pool({}, {});
    CHECK(to_text(first.subnet) == "172.17.0.0/16");
    CHECK(to_text(first.gateway) == "172.17.0.1");
    CHECK(to_text(make_pool({}, {first.subnet, *parse_subnet("172.18.4.0/24")}).subnet) ==
          "172.19.0.0/16");
    CHECK(to_text(make_pool({}, {*parse_subnet("172.16.0.0/12")}).subnet) == "192.168.0.0/20");
    CHECK_THROWS(make_pool({}, {*parse_subnet("172.16.0.0/12"), *parse_subnet("192.168.0.0/16")}));
}

TEST_CASE("make_pool: what a client asks for, and what cannot be", "[07][network]") {
    const AddressPool pool = make_pool({.subnet = "10.1.2.3/24",
                                        .range = "10.1.2.128/25",
                                        .gateway = "10.1.2.254",
                                        .reserved = {{"router", "10.1.2.200"}}},
                                       {});
    CHECK(to_text(pool.subnet) == "10.1.2.0/24");
    CHECK(to_text(pool.gateway) == "10.1.2.254");
    const std::vector<Subnet> taken = {*parse_subnet("10.0.0.0/8")};
    CHECK_THROWS_AS(make_pool({.subnet = "10.1.2.0/24"}, taken), EngineError);
    for (const PoolRequest& wrong :
         std::vector<PoolRequest>{{.subnet = "10.1.2.0"},
                                  {.subnet = "10.1.2.0/31"},
                                  {.subnet = "ten"},
                                  {.subnet = "10.1.2.0/24", .gateway = "10.1.3.1"},
                                  {.subnet = "10.1.2.0/24", .range = "10.1.0.0/16"},
                                  {.subnet = "10.1.2.0/24", .reserved = {{"x", "1.1.1.1"}}}}) {
        CHECK_THROWS_AS(make_pool(wrong, {}), InputError);
    }
}

TEST_CASE("free_address: ascending, without the gateway, the reserved and the used",
          "[07][network]") {
    const Network network{.id = "0123", .name = "n"};
    const AddressPool pool =
        make_pool({.subnet = "10.1.2.0/29", .reserved = {{"x", "10.1.2.3"}}}, {});
    std::set<IpAddress> used;
    std::string given;
    for (int i = 0; i < 4; ++i) {
        const IpAddress address = free_address(pool, used, network);
        used.insert(address);
        given += to_text(address) + " ";
    }
    CHECK(given == "10.1.2.2 10.1.2.4 10.1.2.5 10.1.2.6 ");
    CHECK_THROWS(free_address(pool, used, network));
    used.erase(*parse_ip_address("10.1.2.5"));
    CHECK(to_text(free_address(pool, used, network)) == "10.1.2.5");
}

TEST_CASE("wanted_address: in the subnet, nobody else's, and no special one", "[07][network]") {
    Network network{.id = "0123", .name = "n"};
    network.pools.push_back(make_pool({.subnet = "10.1.2.0/24"}, {}));
    const std::set<IpAddress> used = {*parse_ip_address("10.1.2.9")};
    CHECK(to_text(wanted_address("10.1.2.10", network, used)) == "10.1.2.10");
    CHECK_THROWS_AS(wanted_address("10.1.2.9", network, used), EngineError);
    for (const char* wrong : {"10.1.3.1", "10.1.2.0", "10.1.2.255", "10.1.2.1", "x", "fd00::1"}) {
        INFO(wrong);
        CHECK_THROWS_AS(wanted_address(wrong, network, used), InputError);
    }
}

TEST_CASE("Network: what is stored is read again", "[07][network]") {
    Network network{
        .id = std::string(64, 'a'), .name = "n", .created = drydock::now(), .internal = true};
    network.pools.push_back(make_pool({.subnet = "10.1.2.0/24", .range = "10.1.2.128/25"}, {}));
    network.options = {{"com.docker.network.driver.mtu", "1400"}};
    const Network again = drydock::network_from_json(to_json(network), "file");
    CHECK(to_json(again) == to_json(network));
    CHECK(drydock::bridge_options(again).mtu == 1400);
    CHECK(drydock::bridge_options(again).name == "br-aaaaaaaaaaaa");
    CHECK_THROWS_AS(drydock::network_from_json("{}", "file"), InputError);
}

TEST_CASE("network options: values that cannot be are refused", "[07][network]") {
    for (const auto& [key, value] : std::map<std::string, std::string>{
             {"com.docker.network.driver.mtu", "10"},
             {"com.docker.network.bridge.name", "a/b"},
             {"com.docker.network.bridge.host_binding_ipv4", "here"}}) {
        Network network{.id = std::string(64, 'a'), .name = "n"};
        network.options[key] = value;
        CHECK_THROWS_AS(drydock::bridge_options(network), InputError);
    }
    for (const char* name : {"", "a b", "-a", "a/b", "\n"}) {
        CHECK_THROWS_AS(drydock::check_network_name(name), InputError);
    }
}

}  // namespace
