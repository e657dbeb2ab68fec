#include "engine/health_watch.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::after_probe;
using drydock::Health;

const drydock::oci::Healthcheck kCheck =
    drydock::with_health_defaults({.test = {"CMD", "x"}, .retries = 2});

}  // namespace

TEST_CASE("health: so many failures in a row make it unhealthy, one success healthy",
          "[07][health]") {
    Health health = after_probe({}, {.exit_code = 1}, kCheck, false);
    CHECK(health.status == "starting");
    CHECK(health.failing_streak == 1);
    health = after_probe(health, {.exit_code = 1}, kCheck, false);
    CHECK(health.status == "unhealthy");
    health = after_probe(health, {.exit_code = 0}, kCheck, false);
    CHECK(health.status == "healthy");
    CHECK(health.failing_streak == 0);
}

TEST_CASE("health: failures in the start period do not count until it was healthy once",
          "[07][health]") {
    Health health;
    for (int i = 0; i < 5; ++i) {
        health = after_probe(health, {.exit_code = 1}, kCheck, true);
    }
    CHECK(health.status == "starting");
    CHECK(health.failing_streak == 0);
    health = after_probe(health, {.exit_code = 0}, kCheck, true);
    health = after_probe(health, {.exit_code = 1}, kCheck, true);
    CHECK(health.failing_streak == 1);
}

TEST_CASE("health: the last five runs are remembered", "[07][health]") {
    Health health;
    for (int i = 0; i < 9; ++i) {
        health = after_probe(health, {.exit_code = 0, .output = std::to_string(i)}, kCheck, false);
    }
    REQUIRE(health.log.size() == 5);
    CHECK(health.log.front().output == "4");
}

TEST_CASE("health: CMD is a program, CMD-SHELL a line for the shell, NONE nothing",
          "[07][health]") {
    using Words = std::vector<std::string>;
    CHECK(drydock::health_command({.test = {"CMD", "a", "b"}}) == Words{"a", "b"});
    CHECK(drydock::health_command({.test = {"CMD-SHELL", "a b"}}) == Words{"/bin/sh", "-c", "a b"});
    CHECK_FALSE(drydock::has_health_check({}));
    drydock::ContainerConfig config;
    config.healthcheck = {.test = {"NONE"}};
    CHECK_FALSE(drydock::has_health_check(config));
    CHECK(drydock::with_health_defaults({}).interval == 30'000'000'000);
}
