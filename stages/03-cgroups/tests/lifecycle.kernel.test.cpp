// create, start, kill, delete and the rest, as a caller of an OCI runtime sees them.
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "02-namespaces/terminal.hpp"
#include "02-namespaces/terminal_proxy.hpp"
#include "03-cgroups/state.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "life.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using drydock::UniqueFd;
using namespace drydock::testing;

TEST_CASE("lifecycle: created, running, stopped, gone", "[03][lifecycle]") {
    const Life life(script("echo started > /tmp/mark; sleep 1000"));
    const fs::path mark = life.fixture().bundle() / "rootfs/tmp/mark";
    life.fixture().write(spec_text({.args = shell("echo started > /tmp/mark; exec sleep 1000"),
                                    .terminal = "false",
                                    .root = R"({"path": "rootfs"})"}));
    REQUIRE(life.create({"--pid-file", life.file("pid").native()}).status == 0);
    nlohmann::json state = life.state();
    CHECK(state.at("status") == "created");
    CHECK(state.at("ociVersion") == "1.2.0");
    CHECK(state.at("bundle") == life.fixture().bundle().native());
    const pid_t pid = state.at("pid").get<pid_t>();
    CHECK(drydock::read_file(life.file("pid")) == std::to_string(pid));
    CHECK(!fs::exists(mark));  // "any updates to config.json after this step MUST NOT affect…"
    life.fixture().write("{}");

    REQUIRE(life("start").status == 0);
    CHECK(life.status() == "running");
    CHECK(life.state().at("pid") == pid);
    CHECK(becomes_true([&] { return fs::exists(mark); }));
    CHECK_THAT(life("start").err, ContainsSubstring("cannot start a container that is running"));
    CHECK_THAT(life("delete").err, ContainsSubstring("is running; stop it first"));

    REQUIRE(life("kill", {}).status == 0);  // PID 1 ignores a TERM that it does not handle
    CHECK(life.with({"kill"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
    CHECK(life.state().at("pid") == 0);
    const Outcome killed = life.with({"kill"}, {"KILL"});
    CHECK(killed.status == 1);
    CHECK_THAT(killed.err, ContainsSubstring("container not running"));
    CHECK(life("delete").status == 0);
    CHECK(life.status().empty());
    CHECK(cgroups_named(life.id()).empty());
    const Outcome gone = life("delete");
    CHECK(gone.status == 1);
    CHECK_THAT(gone.err, ContainsSubstring("does not exist"));
}

TEST_CASE("lifecycle: what a created container refuses", "[03][lifecycle]") {
    const Life life(sleeping());
    CHECK_THAT(life("start").err, ContainsSubstring("does not exist"));
    CHECK_THAT(life("kill").err, ContainsSubstring("does not exist"));
    REQUIRE(life.create().status == 0);
    CHECK_THAT(life.create().err, ContainsSubstring("exists already"));
    CHECK_THAT(life("delete").err, ContainsSubstring("is created; stop it first"));
    CHECK_THAT(life("resume").err, ContainsSubstring("is created; expected one that is paused"));
    CHECK(life.with({"kill"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
    CHECK_THAT(life("start").err, ContainsSubstring("cannot start a container that is stopped"));
    CHECK(life("delete").status == 0);
}

TEST_CASE("lifecycle: a command that is not there is said by create, and nothing stays",
          "[03][lifecycle]") {
    const Life life({.args = R"(["nosuch"])", .terminal = "false"});
    const fs::path log = life.file("log.json");
    const Outcome outcome =
        run_program(life.fixture().runtime({"--log", log.native(), "--log-format", "json", "create",
                                            "-b", life.fixture().bundle().native(), life.id()}));
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("executable file not found in $PATH"));
    const auto line = nlohmann::json::parse(drydock::read_file(log));
    CHECK(line.at("level") == "error");
    CHECK_THAT(line.at("msg").get<std::string>(),
               ContainsSubstring("executable file not found in $PATH"));
    CHECK_THAT(line.at("time").get<std::string>(), ContainsSubstring("T"));
    CHECK(!fs::exists(life.fixture().root() / life.id()));
    CHECK(cgroups_named(life.id()).empty());
}

TEST_CASE("lifecycle: what execve refuses is said by start, and the container is stopped",
          "[03][lifecycle]") {
    const Life life({.args = R"(["/etc/broken"])", .terminal = "false"});
    const fs::path file = life.fixture().bundle() / "rootfs/etc/broken";
    std::ofstream(file) << "\x7f" << "ELF, or not";
    fs::permissions(file, fs::perms::all);
    REQUIRE(life.create().status == 0);
    const Outcome started = life("start");
    CHECK(started.status == 1);
    CHECK_THAT(started.err, ContainsSubstring("xec format error"));
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
}

TEST_CASE("lifecycle: a created container holds no file of the host open", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life.create().status == 0);
    const std::string directory = fmt::format("/proc/{}/fd", life.state().at("pid").get<int>());
    std::vector<std::string> open;
    const auto look = [&] {
        open.clear();
        for (const auto& entry : fs::directory_iterator(directory)) {
            std::error_code ignored;
            if (std::stoi(entry.path().filename().native()) > 2) {
                open.push_back(fs::read_symlink(entry.path(), ignored).native());
            }
        }
        return open.size();
    };
    // The socket at which it waits; that to `create` closes when it has been let go.
    REQUIRE(becomes_true([&] { return look() == 1; }));
    CHECK(open.front().starts_with("socket:"));
}

TEST_CASE("lifecycle: operations on one container wait for each other", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life.create().status == 0);
    std::vector<Child> starts;
    for (int i = 0; i < 8; ++i) {
        starts.push_back(start_program(life.fixture().runtime({"start", life.id()})));
    }
    int succeeded = 0;
    for (Child& start : starts) {
        succeeded += start.wait() == 0 ? 1 : 0;
    }
    CHECK(succeeded == 1);
    CHECK(life.status() == "running");

    std::vector<Child> removals;
    for (int i = 0; i < 8; ++i) {
        removals.push_back(start_program(life.fixture().runtime({"delete", "--force", life.id()})));
    }
    for (Child& removal : removals) {
        CHECK(removal.wait() == 0);
    }
    CHECK(life.status().empty());
}

TEST_CASE("lifecycle: run --detach is create and start", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life("run", {"-d", "-b", life.fixture().bundle().native()}).status == 0);
    CHECK(life.status() == "running");
}

TEST_CASE("lifecycle: run --keep leaves a stopped container", "[03][lifecycle]") {
    const Life life(script("exit 3"));
    CHECK(life("run", {"--keep", "-b", life.fixture().bundle().native()}).status == 3);
    CHECK(life.status() == "stopped");
    CHECK(life("delete").status == 0);
}

TEST_CASE("lifecycle: kill -9 of create at any step leaves what delete --force cleans",
          "[03][lifecycle]") {
    for (const char* step : {"cgroup", "clone", "id-maps", "private-mounts", "join-cgroup",
                             "mounts", "pivot-root", "user", "find-command", "await-start"}) {
        for (const char* what : {"kill", "kill-after"}) {
            if (std::string_view(step) == "await-start" && std::string_view(what) == "kill-after") {
                continue;  // that is after the start
            }
            CAPTURE(step, what);
            const Life life(sleeping());
            const Outcome outcome =
                run_to_files(life.fixture().runtime(
                                 {"create", "-b", life.fixture().bundle().native(), life.id()}),
                             fmt::format("DRYDOCK_FAIL={}:{}", step, what));
            CHECK(outcome.status != 0);
            CHECK((life.status() == "stopped" || life.status().empty()));
            CHECK(life("delete", {"--force"}).status == 0);
            CHECK(cgroups_named(life.id()).empty());
            CHECK(!fs::exists(life.fixture().root() / life.id()));
        }
    }
}

TEST_CASE("lifecycle: a reused pid is never signalled", "[03][lifecycle]") {
    const Life life(sleeping());
    life.up();
    const fs::path file = life.fixture().root() / life.id() / "state.json";
    nlohmann::json state = nlohmann::json::parse(drydock::read_file(file));
    const nlohmann::json before = state;
    Child bystander = start_program({"/bin/sleep", "1000"});
    // Start times are counted in ticks of 10 ms: two processes can have the same.
    while (drydock::identify(bystander.pid())->start_time ==
           before.at("init").at("start_time").get<std::uint64_t>()) {
        bystander = start_program({"/bin/sleep", "1000"});
    }
    state["init"]["pid"] = bystander.pid();
    std::ofstream(file) << state.dump();
    CHECK(life.with({"kill"}, {"KILL"}).status == 1);
    CHECK(life.status() == "stopped");
    CHECK_NOTHROW(bystander.signal(0));
    std::ofstream(file) << before.dump();
}

TEST_CASE("drydock-runtime: flags of other runtimes are known, what is not done says so",
          "[03][lifecycle]") {
    const Life life(sleeping());
    const auto error_of = [&](const std::vector<std::string>& arguments) {
        const Outcome outcome = run_to_files(life.fixture().runtime(arguments));
        CHECK(outcome.status == 1);
        return outcome.err;
    };
    CHECK_THAT(error_of({"--systemd-cgroup", "create", "x"}),
               ContainsSubstring("not implemented: --systemd-cgroup"));
    CHECK_THAT(error_of({"--cgroup-manager", "systemd", "create", "x"}),
               ContainsSubstring("not implemented: --cgroup-manager systemd"));
    CHECK_THAT(error_of({"create", "--no-pivot", "x"}),
               ContainsSubstring("not implemented: --no-pivot"));
    CHECK_THAT(
        error_of({"create", "--preserve-fds", "30", "x", "-b", life.fixture().bundle().native()}),
        ContainsSubstring("descriptor 3 is not open") || ContainsSubstring("is not open"));
    fs::rename(life.file("config.json"), life.file("other.json"));
    CHECK(life.create({"--config", life.file("other.json").native()}).status == 0);
    const Outcome listed =
        run_program(life.fixture().runtime({"--cgroup-manager=cgroupfs", "list", "-f", "json"}));
    CHECK(nlohmann::json::parse(listed.out).at(0).at("id") == life.id());
}

TEST_CASE("spec: what it writes runs, with the default posture", "[03][spec]") {
    const Life life(sleeping());
    CHECK_THAT(run_program({"drydock-runtime", "spec", "-b", life.fixture().bundle().native()}).err,
               ContainsSubstring("exists already"));
    fs::remove(life.file("config.json"));
    REQUIRE(
        run_program({"drydock-runtime", "spec", "-b", life.fixture().bundle().native()}).status ==
        0);
    auto config = nlohmann::json::parse(drydock::read_file(life.file("config.json")));
    config["process"]["terminal"] = false;
    config["process"]["args"] = {"/probe"};
    life.fixture().write(config.dump());
    const Outcome outcome = life.fixture().run(life.id());
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto seen = nlohmann::json::parse(outcome.out);
    CHECK(seen.at("status").at("CapEff") == "00000000800405fb");
    CHECK(seen.at("status").at("CapBnd") == "00000000800405fb");
    CHECK(seen.at("status").at("CapInh") == "0000000000000000");
    CHECK(seen.at("status").at("CapAmb") == "0000000000000000");
    CHECK(seen.at("status").at("NoNewPrivs") == "1");
    CHECK(seen.at("status").at("Seccomp") == "2");
    CHECK(seen.at("descriptors").size() == 3);
}

TEST_CASE("features: is JSON that names the hooks and the namespaces", "[03][spec]") {
    const Outcome outcome = run_program({"drydock-runtime", "features"});
    const auto features = nlohmann::json::parse(outcome.out);
    CHECK(features.at("ociVersionMax") == "1.2.0");
    CHECK(features.at("hooks").size() == 6);
    CHECK(features.at("linux").at("seccomp").at("enabled") == true);
}

TEST_CASE("update, events: limits change while it runs, and are told", "[03][lifecycle]") {
    const Life life(sleeping());
    life.up();
    CHECK(life("update", {"--pids-limit", "7", "--memory", "32m"}).status == 0);
    const Outcome events = life("events", {"--stats"});
    INFO(events.err);
    const auto line = nlohmann::json::parse(events.out);
    CHECK(line.at("type") == "stats");
    CHECK(line.at("id") == life.id());
    CHECK(line.at("data").at("pids").at("limit") == 7);
    std::ofstream(life.file("resources.json")) << R"({"pids": {"limit": 9}})";
    CHECK(life("update", {"--resources", life.file("resources.json").native()}).status == 0);
    CHECK(
        nlohmann::json::parse(life("events", {"--stats"}).out).at("data").at("pids").at("limit") ==
        9);
    CHECK_THAT(life("update", {"--pids-limit", "many"}).err,
               ContainsSubstring("expected a number"));
}
