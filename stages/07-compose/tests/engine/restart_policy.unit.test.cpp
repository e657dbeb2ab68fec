#include "engine/restart_policy.hpp"

#include "testing/catch.hpp"

namespace {

using namespace std::chrono_literals;
using drydock::ContainerStatus;
using drydock::is_restarted;
using drydock::is_restarted_by_new_daemon;
using drydock::next_back_off;
using drydock::RestartPolicy;
using drydock::Status;

ContainerStatus ended(int exit_code, bool asked = false, unsigned count = 0) {
    ContainerStatus state{.status = Status::Exited, .exit_code = exit_code};
    state.stop_asked = asked;
    state.restart_count = count;
    state.started_at = drydock::now() - 1s;
    state.finished_at = drydock::now();
    return state;
}

}  // namespace

TEST_CASE("restart policy: what ended by itself is started again as the policy says",
          "[07][restart]") {
    CHECK_FALSE(is_restarted({}, ended(1)));
    CHECK(is_restarted({.name = "always"}, ended(0)));
    CHECK(is_restarted({.name = "unless-stopped"}, ended(0)));
    CHECK_FALSE(is_restarted({.name = "always"}, ended(0, true)));
    CHECK_FALSE(is_restarted({.name = "on-failure"}, ended(0)));
    CHECK(is_restarted({.name = "on-failure"}, ended(1, false, 1000)));
    CHECK(is_restarted({.name = "on-failure", .max_retries = 2}, ended(1, false, 1)));
    CHECK_FALSE(is_restarted({.name = "on-failure", .max_retries = 2}, ended(1, false, 2)));
}

TEST_CASE(
    "restart policy: a new daemon starts always, whoever stopped it, and nothing that never ran",
    "[07][restart]") {
    CHECK(is_restarted_by_new_daemon({.name = "always"}, ended(137, true)));
    CHECK_FALSE(is_restarted_by_new_daemon({.name = "unless-stopped"}, ended(137, true)));
    CHECK_FALSE(is_restarted_by_new_daemon({.name = "always"}, {.status = Status::Created}));
}

TEST_CASE("restart policy: pauses double up to a minute, and begin anew after a good run",
          "[07][restart]") {
    CHECK(next_back_off(0ms, ended(1)) == 100ms);
    CHECK(next_back_off(100ms, ended(1)) == 200ms);
    CHECK(next_back_off(50s, ended(1)) == 60s);
    ContainerStatus long_run = ended(1);
    long_run.started_at = drydock::now() - 11s;
    CHECK(next_back_off(50s, long_run) == 100ms);
}
