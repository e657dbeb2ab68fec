#include "api/create_body.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::api::read_create_body;
using drydock::testing::ContainsSubstring;
using nlohmann::json;

TEST_CASE("create: the values docker's command line sends for nothing ask for nothing",
          "[07][create]") {
    const auto config = read_create_body(json::parse(R"({
        "Image": "busybox", "Cmd": ["true"], "Tty": false, "OpenStdin": false, "Volumes": {}, "Entrypoint": null,
        "HostConfig": {"MemorySwappiness": -1, "PidsLimit": 0, "OomKillDisable": false, "ConsoleSize": [0, 0],
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "LogConfig": {"Type": "", "Config": {}},
            "NetworkMode": "default", "Binds": null, "PortBindings": {}, "ShmSize": 0, "Unheard": "of"},
        "NetworkingConfig": {"EndpointsConfig": {"default": {"IPAMConfig": {}}}}})"));
    CHECK(config.network_mode == "default");
    CHECK_FALSE(config.limits.any());
    CHECK_FALSE(config.entrypoint);
}

TEST_CASE("create: limits arrive in the units of the API", "[07][create]") {
    const auto config = read_create_body(json::parse(
        R"({"Image": "i", "HostConfig": {"Memory": 268435456, "NanoCpus": 500000000, "PidsLimit": 20}})"));
    CHECK(config.limits.memory_bytes == 268435456);
    CHECK(config.limits.nano_cpus == 500'000'000);
    CHECK(config.limits.pids == 20);
    const auto quota = read_create_body(
        json::parse(R"({"Image": "i", "HostConfig": {"CpuQuota": 25000, "CpuPeriod": 50000}})"));
    CHECK(quota.limits.nano_cpus == 500'000'000);
    CHECK(quota.limits.cpu_period_us == 50'000);
}

TEST_CASE("create: one string is a command too", "[07][create]") {
    CHECK(read_create_body(json::parse(R"({"Image": "i", "Cmd": "ls"})")).cmd ==
          std::vector<std::string>{"ls"});
}

TEST_CASE("create: what is not there yet is refused by its name, never left aside",
          "[07][create]") {
    const auto refused = [](const char* body) {
        json parsed = json::parse(body);
        parsed["Image"] = "i";
        CHECK_THROWS_AS(read_create_body(parsed), drydock::NotImplemented);
    };
    refused(R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}})");
    refused(R"({"HostConfig": {"Binds": ["/:/host"]}})");
    refused(R"({"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}})");
    refused(R"({"HostConfig": {"RestartPolicy": {"Name": "always"}}})");
    refused(R"({"HostConfig": {"NetworkMode": "bridge"}})");
    refused(R"({"NetworkingConfig": {"EndpointsConfig": {"other": {}}}})");
    refused(R"({"HostConfig": {"MemoryReservation": 8388608}})");
    refused(R"({"Tty": true})");
    CHECK_THROWS_WITH(
        read_create_body(json::parse(R"({"Image":"i","HostConfig":{"PublishAllPorts":true}})")),
        "not implemented: publishing ports");
}

TEST_CASE("create: a member of the wrong type is named with its place", "[07][create]") {
    CHECK_THROWS_WITH(read_create_body(json::parse(R"({"Image": 7})")),
                      ContainsSubstring("at /Image: expected a string"));
    CHECK_THROWS_WITH(read_create_body(json::parse(R"({"Image": "i", "Env": "A=b"})")),
                      ContainsSubstring("at /Env"));
    CHECK_THROWS_WITH(read_create_body(json::parse(R"({"Image": "i", "HostConfig": []})")),
                      ContainsSubstring("at /HostConfig"));
    CHECK_THROWS_WITH(
        read_create_body(json::parse(R"({"Image": "i", "HostConfig": {"Memory": 0.5}})")),
        ContainsSubstring("whole number"));
    CHECK_THROWS_AS(read_create_body(json::parse(R"({"Image": "i", "HostConfig": {"Memory": 5}})")),
                    drydock::InputError);
    CHECK_THROWS_WITH(read_create_body(json::object()), ContainsSubstring("at /Image"));
}

}  // namespace
