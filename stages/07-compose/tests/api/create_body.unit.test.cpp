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
    const auto more = read_create_body(json::parse(
        R"({"Image": "i", "HostConfig": {"MemoryReservation": 8388608, "CpusetCpus": "0"}})"));
    CHECK(more.limits.memory_reservation_bytes == 8388608);
    CHECK(more.limits.cpuset_cpus == "0");
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
    refused(R"({"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}})");
    CHECK_THROWS_AS(read_create_body(json::parse(R"({"Image":"i","StopSignal":"NONSENSE"})")),
                    drydock::InputError);
    CHECK_THROWS_WITH(
        read_create_body(json::parse(R"({"Image":"i","HostConfig":{"MemorySwap":67108864}})")),
        ContainsSubstring("always set the Memory limit"));
    refused(R"({"HostConfig": {"StorageOpt": {"size": "1G"}}})");
    refused(R"({"HostConfig": {"UsernsMode": "private"}})");
    refused(R"({"HostConfig": {"LogConfig": {"Config": {"tag": "x"}}}})");
    CHECK_THROWS_WITH(
        read_create_body(json::parse(R"({"Image":"i","HostConfig":{"StorageOpt":{"size":"1"}}})")),
        "not implemented: storage options");
}

TEST_CASE("create: how far a container is kept from the machine", "[07][create]") {
    const auto isolation = read_create_body(json::parse(R"({"Image": "i", "HostConfig": {
        "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "GroupAdd": ["audio"],
        "SecurityOpt": ["no-new-privileges=true", "seccomp=unconfined", "apparmor=docker-default"],
        "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": -1}], "ShmSize": 1048576,
        "Devices": [{"PathOnHost": "/dev/x", "PathInContainer": "/dev/y", "CgroupPermissions": "r"}],
        "DeviceCgroupRules": ["b *:3 rm"], "PidMode": "host", "IpcMode": "container:c",
        "UTSMode": "host", "CgroupnsMode": "private", "CgroupParent": "/a", "OomScoreAdj": -5,
        "Sysctls": {"net.a": "1"}, "MaskedPaths": [], "ReadonlyPaths": null}})"))
                               .isolation;
    CHECK(isolation.cap_add == std::vector<std::string>{"NET_ADMIN"});
    CHECK(isolation.cap_drop == std::vector<std::string>{"ALL"});
    CHECK(isolation.no_new_privileges);
    CHECK(isolation.seccomp == "unconfined");
    CHECK(isolation.apparmor.empty());
    REQUIRE(isolation.rlimits.size() == 1);
    CHECK(isolation.rlimits[0].type == "RLIMIT_NOFILE");
    CHECK(isolation.rlimits[0].hard == UINT64_MAX);
    CHECK(isolation.devices == std::vector<drydock::DeviceMapping>{
                                   {.host = "/dev/x", .inside = "/dev/y", .access = "r"}});
    CHECK(isolation.device_rules.at(0) ==
          drydock::DeviceRule{.allow = true, .type = 'b', .minor = 3, .access = "rm"});
    CHECK(isolation.pid_mode == "host");
    CHECK(isolation.ipc_mode == "container:c");
    CHECK(isolation.shm_bytes == 1048576);
    CHECK(isolation.oom_score_adj == -5);
    CHECK(isolation.masked_paths == std::vector<std::string>());
    CHECK_FALSE(isolation.readonly_paths);
    CHECK_THROWS_WITH(
        read_create_body(json::parse(R"({"Image": "i", "HostConfig": {"CapAdd": "ALL"}})")),
        ContainsSubstring("at /HostConfig/CapAdd: expected an array of strings"));
    CHECK_THROWS_WITH(read_create_body(json::parse(R"({"Image": "i", "HostConfig":
        {"BlkioDeviceReadBps": [{"Path": "/dev/null", "Rate": 1}]}})")),
                      ContainsSubstring("/dev/null: expected a block device"));
}

TEST_CASE("create: networks, ports and names", "[07][create]") {
    const auto config = read_create_body(json::parse(R"({"Image": "i", "Domainname": "d",
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": "mine", "PublishAllPorts": true, "Dns": ["9.9.9.9"],
            "ExtraHosts": ["a:1.1.1.1"],
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": null}},
        "NetworkingConfig": {"EndpointsConfig": {"mine": {"Aliases": ["x"],
            "IPAMConfig": {"IPv4Address": "10.0.0.9"}}, "other": null}}})"));
    CHECK(config.network_mode == "mine");
    CHECK(config.network.publish_all);
    CHECK(config.network.ports.at("80/tcp").front().host_port == "8080");
    CHECK(config.network.ports.at("81/tcp").empty());
    CHECK(config.network.endpoints.at("mine").ipv4 == "10.0.0.9");
    CHECK(config.network.endpoints.contains("other"));
    CHECK(config.network.extra_hosts.size() == 1);
    CHECK(config.network.domainname == "d");
    for (const char* wrong : {R"({"PortBindings": []})", R"({"PortBindings": {"80/tcp": {}}})",
                              R"({"Dns": "9.9.9.9"})", R"({"NetworkMode": 7})"}) {
        INFO(wrong);
        CHECK_THROWS_AS(read_create_body({{"Image", "i"}, {"HostConfig", json::parse(wrong)}}),
                        drydock::InputError);
    }
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

TEST_CASE("create: terminal, input and log options", "[07][create]") {
    const auto config = read_create_body(json::parse(
        R"({"Image": "i", "Tty": true, "OpenStdin": true, "StdinOnce": true, "HostConfig": {"ConsoleSize": [24, 80],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}}})"));
    CHECK(config.tty);
    CHECK(config.open_stdin);
    CHECK(config.stdin_once);
    CHECK(config.rows == 24);
    CHECK(config.columns == 80);
    CHECK(config.log_limits.max_bytes == 10485760);
    CHECK(config.log_limits.max_files == 3);
    for (const char* wrong :
         {R"({"ConsoleSize": [1]})", R"({"ConsoleSize": ["1", "2"]})",
          R"({"ConsoleSize": [70000, 2]})", R"({"LogConfig": {"Config": {"max-file": "0"}}})",
          R"({"LogConfig": {"Config": {"max-size": "lots"}}})"}) {
        const json body = {{"Image", "i"}, {"HostConfig", json::parse(wrong)}};
        CHECK_THROWS_AS(read_create_body(body), drydock::InputError);
    }
}

TEST_CASE("exec: a body that is not right is refused", "[07][create]") {
    using drydock::api::read_exec_body;
    const auto spec = read_exec_body(json::parse(
        R"({"Cmd": ["a", "b"], "Env": ["A=1"], "User": "u", "WorkingDir": "/w", "Tty": true, "AttachStdin": true,
            "DetachKeys": "ctrl-a", "ConsoleSize": [5, 6]})"));
    CHECK(spec.command == std::vector<std::string>{"a", "b"});
    CHECK(spec.detach_keys == "\x01");
    CHECK(spec.size == std::pair(5U, 6U));
    CHECK_THROWS_AS(read_exec_body(json::parse(R"({"Cmd": 7})")), drydock::InputError);
    CHECK_THROWS_AS(read_exec_body(json::parse(R"({"DetachKeys": "ab"})")), drydock::InputError);
}

}  // namespace
