// drydock-shim, by the functions that start it and find it again.
#include <fcntl.h>
#include <poll.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/shim_process.hpp"
#include "03-cgroups/state.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "bundle_fixture.hpp"

namespace fs = std::filesystem;
using drydock::ExitRecord;
using drydock::SetupError;
using drydock::StartedContainer;
using namespace drydock::testing;

namespace {

std::string unique_id() {
    static int count = 0;
    return "shim-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

struct ShimFixture : BundleFixture {
    explicit ShimFixture(const SpecParts& parts) : BundleFixture(parts) {
        ::setenv("DRYDOCK_PROGRAMS", program_path("drydock-shim").parent_path().c_str(), 1);
    }
    [[nodiscard]] StartedContainer start() const {
        return drydock::start_shim({.bundle = bundle(),
                                    .id = id,
                                    .runtime_root = root(),
                                    .log_file = bundle() / "log",
                                    .explain_file = bundle() / "explain"});
    }
    /// All that was logged of one stream.
    [[nodiscard]] std::string logged(const std::string& stream) const {
        std::istringstream lines(drydock::read_file(bundle() / "log"));
        std::string text;
        for (std::string line; std::getline(lines, line);) {
            const auto entry = nlohmann::json::parse(line);
            if (entry.at("stream") == stream) {
                text += entry.at("log").get<std::string>();
            }
        }
        return text;
    }

    std::string id = unique_id();
};

SpecParts script(const std::string& text) {
    return {.args = shell(text), .terminal = "false"};
}

bool ends(int pidfd) {
    constexpr int kDeadlineMs = 20000;
    pollfd event{.fd = pidfd, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, kDeadlineMs) == 1;
}

void reap(const StartedContainer& started) {
    REQUIRE(ends(started.shim_pidfd.get()));
    siginfo_t ended{};
    ::waitid(P_PIDFD, static_cast<id_t>(started.shim_pidfd.get()), &ended, WEXITED);
}

void send(const drydock::UniqueFd& pidfd, int signal) {
    REQUIRE(::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0);
}

}  // namespace

TEST_CASE("drydock-shim: output goes to the log, the exit status to exit.json", "[03][shim]") {
    const ShimFixture fixture(script("echo out; echo err >&2; printf rest; exit 7"));
    const StartedContainer started = fixture.start();
    CHECK(started.pid > 0);
    CHECK(ends(started.pidfd.get()));
    reap(started);
    CHECK(fixture.logged("stdout") == "out\nrest");
    CHECK(fixture.logged("stderr") == "err\n");
    const std::optional<ExitRecord> record = drydock::read_exit_record(fixture.bundle());
    REQUIRE(record);
    CHECK(record->exit_status == 7);
    CHECK(!record->oom_killed);
    CHECK(record->finished_at.ends_with("Z"));
    CHECK(cgroups_named(fixture.id).empty());
    CHECK(!fs::exists(fixture.root() / fixture.id));
    CHECK_THAT(drydock::read_file(fixture.bundle() / "explain"),
               ContainsSubstring("clone3(") && ContainsSubstring("pivot_root("));
}

TEST_CASE("attack A1: the shim's program cannot be written to through /proc",
          "[03][shim][attack]") {
    const ShimFixture fixture(script("sleep 1000"));
    const StartedContainer started = fixture.start();
    const drydock::UniqueFd program =
        drydock::open_file(fmt::format("/proc/{}/exe", drydock::parent_of(started.pid)), O_RDONLY);
    // While it runs nobody can (ETXTBSY); when it has ended, its mount is what remains.
    struct statvfs status{};
    REQUIRE(::fstatvfs(program.get(), &status) == 0);
    CHECK((status.f_flag & ST_RDONLY) != 0);
    send(started.pidfd, SIGKILL);
    reap(started);
}

TEST_CASE("drydock-shim: nothing of what much output says is lost", "[03][shim]") {
    const ShimFixture fixture(
        script("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; busybox head -c "
               "200000 /dev/zero"));
    const StartedContainer started = fixture.start();
    reap(started);
    const std::string text = fixture.logged("stdout");
    CHECK_THAT(text.substr(0, 40), ContainsSubstring("line 0\nline 1\n"));
    CHECK(text.find("line 1999\n") != std::string::npos);
    CHECK(std::count(text.begin(), text.end(), '\0') == 200000);
}

TEST_CASE("drydock-shim: an end for want of memory is told from a kill", "[03][shim]") {
    SpecParts parts{.args = R"(["busybox", "tail", "/dev/zero"])",
                    .terminal = "false",
                    .resources_extra = R"("memory": {"limit": 16777216, "swap": 16777216},)"};
    const ShimFixture hog(parts);
    reap(hog.start());
    REQUIRE(drydock::read_exit_record(hog.bundle()));
    CHECK(drydock::read_exit_record(hog.bundle())->exit_status == 128 + SIGKILL);
    CHECK(drydock::read_exit_record(hog.bundle())->oom_killed);

    parts.args = shell("sleep 1000");
    const ShimFixture killed(parts);
    const StartedContainer started = killed.start();
    send(started.pidfd, SIGKILL);
    reap(started);
    CHECK(drydock::read_exit_record(killed.bundle())->exit_status == 128 + SIGKILL);
    CHECK(!drydock::read_exit_record(killed.bundle())->oom_killed);
}

TEST_CASE("drydock-shim: SIGTERM is passed on", "[03][shim]") {
    const ShimFixture fixture(
        script("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"));
    const StartedContainer started = fixture.start();
    REQUIRE(becomes_true([&] { return fixture.logged("stdout") == "ready\n"; }));
    send(started.shim_pidfd, SIGTERM);
    reap(started);
    CHECK(fixture.logged("stdout") == "ready\nbye\n");
    CHECK(drydock::read_exit_record(fixture.bundle())->exit_status == 3);
}

TEST_CASE("drydock-shim: the command has /dev/null, two pipes and nothing else of its shim",
          "[03][shim]") {
    const ShimFixture fixture(script("ls -l /proc/self/fd; ps; cat"));
    reap(fixture.start());
    const std::string text = fixture.logged("stdout");
    CHECK_THAT(text, ContainsSubstring("dev/null") && ContainsSubstring("1 -> pipe:") &&
                         ContainsSubstring("2 -> pipe:"));
    CHECK_THAT(text, !ContainsSubstring("socket:") && !ContainsSubstring("drydock-shim"));
}

TEST_CASE("drydock-shim: without a PID namespace too, what the command left running ends with it",
          "[03][shim]") {
    SpecParts parts = script("sleep 1000 & echo $!");
    parts.namespaces = R"([{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}])";
    const ShimFixture fixture(parts);
    reap(fixture.start());
    const pid_t left = std::stoi(fixture.logged("stdout"));
    CHECK(becomes_true([&] { return ::kill(left, 0) == -1; }));
    CHECK(drydock::read_exit_record(fixture.bundle())->exit_status == 0);
    CHECK(cgroups_named(fixture.id).empty());
}

TEST_CASE("drydock-shim: without a PID namespace, orphans are reaped while the command runs",
          "[03][shim]") {
    SpecParts parts = script("(busybox true & echo $!); sleep 1000");
    parts.namespaces = R"([{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}])";
    const ShimFixture fixture(parts);
    const StartedContainer started = fixture.start();
    REQUIRE(becomes_true([&] { return fixture.logged("stdout").ends_with('\n'); }));
    const pid_t orphan = std::stoi(fixture.logged("stdout"));
    CHECK(becomes_true([&] { return ::kill(orphan, 0) == -1; }));  // a zombie would still be there
    send(started.pidfd, SIGKILL);
    reap(started);
}

TEST_CASE("start_shim: a start that fails is an exception and leaves nothing", "[03][shim]") {
    const ShimFixture missing({.args = R"(["nosuch"])", .terminal = "false"});
    try {
        static_cast<void>(missing.start());
        FAIL("it started");
    } catch (const SetupError& e) {
        CHECK(e.exit_status() == 127);
        CHECK_THAT(e.what(),
                   ContainsSubstring("exec: \"nosuch\": executable file not found in $PATH"));
    }
    missing.write("{");
    CHECK_THROWS_WITH(missing.start(), ContainsSubstring("config.json: parse error"));
    CHECK(!drydock::read_exit_record(missing.bundle()));
    CHECK(cgroups_named(missing.id).empty());
    CHECK(!fs::exists(missing.root() / missing.id));
}

TEST_CASE("start_shim: a bundle can be started again, and not twice at once", "[03][shim]") {
    const ShimFixture fixture(script("sleep 1000"));
    const StartedContainer first = fixture.start();
    CHECK_THROWS_WITH(fixture.start(), ContainsSubstring("exists already"));
    send(first.pidfd, SIGKILL);
    reap(first);
    REQUIRE(drydock::read_exit_record(fixture.bundle()));
    const StartedContainer second = fixture.start();
    CHECK(!drydock::read_exit_record(fixture.bundle()));
    send(second.pidfd, SIGKILL);
    reap(second);
}

TEST_CASE("reconnect: finds the container of an earlier process, until it ends", "[03][shim]") {
    const ShimFixture fixture(script("sleep 1000"));
    CHECK(!drydock::reconnect(fixture.id, fixture.root()));
    const StartedContainer started = fixture.start();
    const auto found = drydock::reconnect(fixture.id, fixture.root());
    REQUIRE(found);
    CHECK(found->pid == started.pid);
    send(found->pidfd, SIGKILL);
    CHECK(ends(found->shim_pidfd.get()));
    reap(started);
    CHECK(!drydock::reconnect(fixture.id, fixture.root()));
}

TEST_CASE("drydock-shim: kill -9 of it ends its container and leaves what delete --force cleans",
          "[03][shim]") {
    const ShimFixture fixture(script("sleep 1000"));
    const StartedContainer started = fixture.start();
    send(started.shim_pidfd, SIGKILL);
    reap(started);
    CHECK(ends(started.pidfd.get()));
    CHECK(!drydock::reconnect(fixture.id, fixture.root()));
    CHECK(!drydock::read_exit_record(fixture.bundle()));
    CHECK(run_program(fixture.runtime({"delete", "--force", fixture.id})).status == 0);
    CHECK(cgroups_named(fixture.id).empty());
    CHECK(!fs::exists(fixture.root() / fixture.id));
}

TEST_CASE("docker-init: the command has the signal mask that it was started with", "[03][init]") {
    const ShimFixture fixture(script("true"));
    const fs::path init = fixture.bundle() / "docker-init";
    fs::create_symlink(program_path("drydock-shim"), init);
    const std::vector<std::string> as_init = {"unshare", "-p", "-f", "env", "--block-signal=USR1",
                                              init,      "--"};
    const auto run = [&](std::vector<std::string> command) {
        command.insert(command.begin(), as_init.begin(), as_init.end());
        return run_program(command);
    };
    CHECK(run({"sh", "-c", "echo $$; exit 3"}).status == 3);
    // No shell: that sets a mask of its own.
    CHECK(run({"grep", "SigBlk", "/proc/self/status"}).out == "SigBlk:\t0000000000000200\n");
}

TEST_CASE("start_shim: many threads start at once", "[03][shim]") {
    constexpr std::size_t kThreads = 6;
    std::deque<ShimFixture> fixtures;  // a bundle each: a bundle is one container's
    for (std::size_t i = 0; i < kThreads; ++i) {
        fixtures.emplace_back(script("exit 0"));
    }
    std::vector<int> pids(kThreads);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < kThreads; ++i) {
            threads.emplace_back([&, i] {
                const ShimFixture& fixture = fixtures[i];
                const StartedContainer started =
                    drydock::start_shim({.bundle = fixture.bundle(),
                                         .id = fixture.id + "-" + std::to_string(i),
                                         .runtime_root = fixture.root(),
                                         .log_file = fixture.bundle() / "log"});
                pids[i] = started.pid;
                siginfo_t ended{};
                ::waitid(P_PIDFD, static_cast<id_t>(started.shim_pidfd.get()), &ended, WEXITED);
            });
        }
    }
    for (const int pid : pids) {
        CHECK(pid > 0);
    }
    for (const ShimFixture& fixture : fixtures) {
        CHECK(fs::is_empty(fixture.root()));
    }
}
