// How a container of drydock-02 ends: exit statuses, signals, kills, failures at every step.
#include <csignal>
#include <thread>

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"

#include "run_fixture.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

TEST_CASE("drydock-02: exit statuses are exact, with and without init", "[02][run]") {
    const Fixture f;
    for (const Words& flags : {Words{}, Words{"--no-init"}}) {
        CHECK(f.run({"true"}, flags).status == 0);
        CHECK(f.run({"sh", "-c", "exit 42"}, flags).status == 42);
        CHECK(f.run({"/etc/passwd"}, flags).status == 126);
        const Outcome missing = f.run({"nowhere"}, flags);
        CHECK(missing.status == 127);
        CHECK(missing.err == "drydock-02: exec: \"nowhere\": executable file not found in $PATH\n");
    }
    CHECK(f.run({"sh", "-c", "kill -9 $$"}).status == 137);
}

TEST_CASE("drydock-02: PID 1 reaps orphans", "[02][run]") {
    const Fixture f;
    // The shell in the middle ends at once; its child becomes PID 1's.
    const char* script =
        "p=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); i=0;"
        "while [ -d /proc/$p ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done; [ ! -d /proc/$p "
        "]";
    CHECK(f.run({"sh", "-c", script}).status == 0);
}

TEST_CASE("drydock-02: what the command leaves running ends with it", "[02][run]") {
    const Fixture f;
    CHECK(f.run({"sh", "-c", "sleep 4711 & exit 3"}).status == 3);
    CHECK(soon([] {
        return processes_with(std::string("sleep\0"
                                          "4711",
                                          10)) == 0;
    }));
}

TEST_CASE("drydock-02: SIGTERM reaches the command, with and without init", "[02][run]") {
    const Fixture f;
    const Words script = {"sh", "-c", "trap 'exit 42' TERM; echo; while :; do sleep 0.02; done"};
    for (const Words& flags : {Words{}, Words{"--no-init"}}) {
        Background container(f.command(script, flags));
        container.await_output();
        container.child.signal(SIGTERM);
        CHECK(container.child.wait() == 42);
    }
}

TEST_CASE("drydock-02: a command that will not end goes at the third SIGINT", "[02][run]") {
    const Fixture f;
    Background container(
        f.command({"sh", "-c", "trap '' INT TERM; echo; while :; do sleep 0.02; done"}));
    container.await_output();
    for (int i = 0; i < 3; ++i) {
        container.child.signal(SIGINT);
        // Two of the same kind that are pending at once are one: give it the time to take each.
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(container.child.wait() == 137);
}

TEST_CASE("drydock-02: when it is killed, the container goes with it, whoever the user is",
          "[02][run]") {
    const Fixture f;
    const std::string mounts = mountinfo();
    for (const Words& flags : {Words{}, Words{"--user", "nobody"},
                               Words{"--no-init", "--user", "nobody"}, Words{"--userns"}}) {
        Background container(f.command({"sh", "-c", "echo; sleep 4712"}, flags));
        container.await_output();
        container.child.signal(SIGKILL);
        CHECK(container.child.wait() == 137);
        CHECK(soon([] { return processes_with("4712") == 0; }));
    }
    CHECK(mountinfo() == mounts);
}

TEST_CASE("drydock-02: killed or failing at any step it leaves nothing on the host", "[02][run]") {
    const Fixture f;
    const std::string mounts = mountinfo();
    for (const char* step : {"clone",          "id-maps",       "session",      "private-mounts",
                             "mount-rootfs",   "mounts",        "devices",      "device-links",
                             "pivot-root",     "hostname",      "loopback",     "masks",
                             "readonly-paths", "readonly-root", "workdir",      "rlimits",
                             "bounding-set",   "user",          "capabilities", "no-new-privs",
                             "landlock",       "seccomp",       "init",         "exec"}) {
        for (const char* what : {":kill", ":error=5"}) {
            const std::string fault = std::string(step) + what;
            INFO(fault);
            const Outcome outcome = f.run({"sleep", "0.4713"}, {}, {"DRYDOCK_FAIL=" + fault});
            CHECK((outcome.status == 125 || outcome.status == 137));
            CHECK(soon([] { return processes_with("0.4713") == 0; }));
        }
    }
    CHECK(mountinfo() == mounts);
}
