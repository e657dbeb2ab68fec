#include "07-compose/engine/container.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using namespace std::chrono_literals;
using drydock::Container;
using drydock::ContainerStatus;
using drydock::Status;

Container example() {
    return {.id = std::string(64, 'a'),
            .name = "brisk_anchor",
            .created = *drydock::parse_time("2026-01-02T03:04:05.000000006Z"),
            .config = {.image = "busybox",
                       .image_id = "sha256:1",
                       .entrypoint = std::vector<std::string>{"sh"},
                       .cmd = std::vector<std::string>{"-c", "exit 7"},
                       .env = {"A=b c"},
                       .labels = {{"k", "v"}},
                       .stop_timeout = 3,
                       .limits = {.memory_bytes = 64 << 20, .nano_cpus = 500'000'000},
                       .network_mode = "none",
                       .auto_remove = true}};
}

TEST_CASE("container.json: what is written is read back", "[07][container]") {
    const std::string text = drydock::to_json(example());
    const Container read = drydock::container_from_json(text, "container.json");
    CHECK(drydock::to_json(read) == text);
    CHECK(read.config.limits == example().config.limits);
    CHECK(read.config.stop_timeout == 3);
    CHECK(drydock::command_line(read.config) == std::vector<std::string>{"sh", "-c", "exit 7"});
}

TEST_CASE("container.json: a damaged one is refused with its name", "[07][container]") {
    const std::string text = drydock::to_json(example());
    for (const std::string& damaged : {std::string(), text.substr(0, text.size() / 2),
                                       std::string("{}"), std::string(R"({"version":2})")}) {
        CAPTURE(damaged);
        CHECK_THROWS_WITH(drydock::container_from_json(damaged, "x/container.json"),
                          drydock::testing::ContainsSubstring("x/container.json: "));
    }
}

TEST_CASE(
    "state.json: what is written is read back, and a damaged one is a container that never ran",
    "[07][container]") {
    const ContainerStatus state = {
        .status = Status::Exited,
        .exit_code = 137,
        .oom_killed = true,
        .started_at = drydock::parse_time("2026-01-02T03:04:05.000000006Z"),
        .boot_id = "b"};
    const std::string text = drydock::to_json(state);
    CHECK(drydock::to_json(drydock::state_from_json(text)) == text);
    CHECK(drydock::state_from_json(text.substr(0, 10)).status == Status::Created);
    CHECK(drydock::state_from_json("{}").status == Status::Created);
}

TEST_CASE("status text: reads as docker's", "[07][container]") {
    const drydock::Time now = drydock::now();
    CHECK(drydock::status_text({}, now) == "Created");
    CHECK(drydock::status_text({.status = Status::Running, .started_at = now - 4s}, now) ==
          "Up 4 seconds");
    CHECK(drydock::status_text(
              {.status = Status::Exited, .exit_code = 7, .finished_at = now - 300s}, now) ==
          "Exited (7) 5 minutes ago");
}

}  // namespace
