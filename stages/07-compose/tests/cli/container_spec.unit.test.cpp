#include "07-compose/cli/container_spec.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using namespace drydock::cli;
using drydock::testing::ContainsSubstring;
using nlohmann::json;

TEST_CASE("create_body: only what was asked for is in it", "[07][cli][spec]") {
    CHECK(json::parse(create_body({.image = "web"})) ==
          json::parse(R"({"Image":"web","HostConfig":{}})"));
}

TEST_CASE("create_body: every flag has its field of the API", "[07][cli][spec]") {
    const ContainerSpec spec{.image = "web",
                             .command = {"sh", "-c", "x"},
                             .entrypoint = std::vector<std::string>{""},
                             .env = {"A=1"},
                             .workdir = "/w",
                             .user = "1:2",
                             .hostname = "h",
                             .labels = {{"k", "v"}},
                             .network = "none",
                             .memory_bytes = 64,
                             .nano_cpus = 500'000'000,
                             .pids = 7,
                             .read_only = true,
                             .init = true,
                             .auto_remove = true,
                             .explain = true,
                             .without = {"seccomp", "masks"}};
    CHECK(json::parse(create_body(spec)) == json::parse(R"({
        "Image": "web", "Cmd": ["sh", "-c", "x"], "Entrypoint": [""], "Env": ["A=1"], "WorkingDir": "/w",
        "User": "1:2", "Hostname": "h", "Labels": {"k": "v"},
        "HostConfig": {"NetworkMode": "none", "Memory": 64, "NanoCpus": 500000000, "PidsLimit": 7,
                       "ReadonlyRootfs": true, "Init": true, "AutoRemove": true,
                       "Annotations": {"drydock.explain": "1", "drydock.without": "seccomp,masks"}}})"));
}

TEST_CASE("parse_bytes: units are powers of 1024", "[07][cli][spec]") {
    CHECK(parse_bytes("1048576", "m") == 1 << 20);
    CHECK(parse_bytes("256m", "m") == 256 << 20);
    CHECK(parse_bytes("256M", "m") == 256 << 20);
    CHECK(parse_bytes("1.5k", "m") == 1536);
    CHECK(parse_bytes("2GiB", "m") == std::int64_t{2} << 30);
    CHECK(parse_bytes("10b", "m") == 10);
    for (const char* wrong :
         {"", "m", "-1m", "1x", "1mm", "0x10", "nan", "1e400", "99999999999g"}) {
        CHECK_THROWS_WITH(parse_bytes(wrong, "--memory"),
                          ContainsSubstring("--memory") && ContainsSubstring("256m"));
    }
}

TEST_CASE("parse_cpus: billionths of a CPU", "[07][cli][spec]") {
    CHECK(parse_cpus("0.50", "c") == 500'000'000);
    CHECK(parse_cpus("2", "c") == 2'000'000'000);
    for (const char* wrong : {"", "half", "0.5x", "-1", "inf"}) {
        CHECK_THROWS_WITH(parse_cpus(wrong, "--cpus"),
                          ContainsSubstring("--cpus") && ContainsSubstring("0.5"));
    }
}

TEST_CASE("parse_env: a name alone takes its value from here", "[07][cli][spec]") {
    ::setenv("DRYDOCK_TEST_VARIABLE", "here", 1);
    CHECK(parse_env("A=b=c", "-e") == "A=b=c");
    CHECK(parse_env("A=", "-e") == "A=");
    CHECK(parse_env("DRYDOCK_TEST_VARIABLE", "-e") == "DRYDOCK_TEST_VARIABLE=here");
    CHECK_FALSE(parse_env("DRYDOCK_TEST_NO_VARIABLE", "-e").has_value());
    CHECK_THROWS_AS(parse_env("=b", "-e"), drydock::InputError);
}
