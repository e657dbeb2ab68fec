#include "03-cgroups/limits.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::InputError;
using drydock::Limits;
using drydock::testing::ContainsSubstring;

TEST_CASE("parse_size: a number with a unit of 1024's powers is bytes", "[03][limits]") {
    const auto size = [](const char* text) { return drydock::parse_size(text, "--memory"); };
    CHECK(size("1048576") == 1048576);
    CHECK(size("64m") == 64 << 20);
    CHECK(size("64M") == 64 << 20);
    CHECK(size("64MiB") == 64 << 20);
    CHECK(size("64mb") == 64 << 20);
    CHECK(size("1.5g") == 1610612736);
    CHECK(size("512k") == 524288);
    CHECK(size("7b") == 7);
    CHECK(size("1t") == std::int64_t{1} << 40);
}

TEST_CASE("parse_size: anything else is refused, with what would be right", "[03][limits]") {
    for (const char* text :
         {"", "m", "64x", "-1", "64 m", "64bb", "0x10", "1e9", "nan", "inf", "64mm", "64miby"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH(
            drydock::parse_size(text, "--memory"),
            ContainsSubstring("--memory: invalid size") && ContainsSubstring("as in 64m"));
    }
    CHECK_THROWS_WITH(drydock::parse_size("99999999999999999999g", "--memory"),
                      ContainsSubstring("too large"));
}

TEST_CASE("parse_cpus: CPUs are counted in billionths", "[03][limits]") {
    CHECK(drydock::parse_cpus("0.5", "--cpus") == 500'000'000);
    CHECK(drydock::parse_cpus("2", "--cpus") == 2'000'000'000);
    for (const char* text : {"", "x", "-1", "1/2", "0,5", "1c"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(drydock::parse_cpus(text, "--cpus"), InputError);
    }
}

TEST_CASE("check_limits: a limit that nothing could live in is refused", "[03][limits]") {
    CHECK_NOTHROW(drydock::check_limits({}));
    CHECK_NOTHROW(drydock::check_limits(
        {.memory_bytes = drydock::kMinMemoryBytes, .nano_cpus = 10'000'000, .pids = 1}));
    CHECK_THROWS_WITH(drydock::check_limits({.memory_bytes = 1024}),
                      ContainsSubstring("at least 6 MiB"));
    CHECK_THROWS_WITH(drydock::check_limits({.nano_cpus = 1}), ContainsSubstring("at least 0.01"));
    CHECK_THROWS_WITH(drydock::check_limits({.pids = 0}), ContainsSubstring("at least 1"));
    CHECK_THROWS_WITH(
        drydock::check_limits({.memory_bytes = 64 << 20, .memory_swap_bytes = 32 << 20}),
        ContainsSubstring("at least the memory limit, 64 MiB"));
    CHECK_THROWS_AS(drydock::check_limits({.cpu_shares = 1}), InputError);
    CHECK_THROWS_AS(drydock::check_limits({.cpu_period_us = 1}), InputError);
}

TEST_CASE("cpu_quota_us: a share of CPU is a quota in each period", "[03][limits]") {
    CHECK(drydock::cpu_quota_us({}) == -1);
    CHECK(drydock::cpu_quota_us({.nano_cpus = 500'000'000}) == 50'000);
    CHECK(drydock::cpu_quota_us({.nano_cpus = 333'333'333, .cpu_period_us = 30'000}) == 10'000);
}

TEST_CASE("cpu_weight: the ends and docker's default go where runc puts them", "[03][limits]") {
    CHECK(drydock::cpu_weight(2) == 1);
    CHECK(drydock::cpu_weight(1024) == 39);
    CHECK(drydock::cpu_weight(262144) == 10000);
}

TEST_CASE("size_text: the largest unit that fits", "[03][limits]") {
    CHECK(drydock::size_text(64 << 20) == "64 MiB");
    CHECK(drydock::size_text(1000) == "1000 bytes");
    CHECK(drydock::size_text(1610612736) == "1.5 GiB");
}
