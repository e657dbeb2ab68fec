// drydock-03 from outside.
#include "03-cgroups/run.hpp"

#include <algorithm>
#include <csignal>
#include <sstream>

#include "01-chroot/file.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/state.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "bundle_fixture.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using namespace drydock::testing;

namespace {

/// One rootfs for all tests of this file: making it copies megabytes.
const fs::path& rootfs() {
    static const drydock::TempDir directory("drydock-03-rootfs");
    static const bool made = (make_test_rootfs(directory.path()), true);
    static_cast<void>(made);
    return directory.path();
}

std::vector<std::string> command(const std::vector<std::string>& flags,
                                 const std::vector<std::string>& argv) {
    std::vector<std::string> all = {program_path("drydock-03").native(), "run"};
    all.insert(all.end(), flags.begin(), flags.end());
    all.push_back(rootfs().native());
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
}

std::vector<std::string> left_groups();

Outcome drydock_03(const std::vector<std::string>& flags, const std::vector<std::string>& argv,
                   const std::vector<std::string>& env = {}) {
    static_cast<void>(left_groups());  // what is there before the first
    return run_program(command(flags, argv), env);
}

/// Groups of drydock-03 in which nobody is, but those that were there when the tests began: what a
/// start left behind.
std::vector<std::string> left_groups() {
    const auto empty_groups = [] {
        std::vector<std::string> found;
        const drydock::Hierarchy hierarchy = drydock::find_hierarchy();
        std::vector<fs::path> trees = {hierarchy.root / "drydock"};
        for (const std::string& controller : hierarchy.controllers) {
            trees.push_back(hierarchy.root / controller / "drydock");
        }
        for (const fs::path& tree : trees) {
            std::error_code ignored;
            for (const auto& entry : fs::directory_iterator(tree, ignored)) {
                if (entry.path().filename().native().starts_with("run-") &&
                    drydock::read_file(entry.path() / "cgroup.procs").empty()) {
                    found.push_back(entry.path().native());
                }
            }
        }
        return found;
    };
    static const std::vector<std::string> before = empty_groups();
    std::vector<std::string> found = empty_groups();
    std::erase_if(found, [&](const std::string& path) {
        return std::ranges::find(before, path) != before.end();
    });
    return found;
}

/// The steps of the table, as a wrong --without lists them, and the two that cannot be left out.
std::vector<std::string> step_names() {
    const std::string text = drydock_03({"--without", "no-such-step"}, {"true"}).err;
    std::vector<std::string> names = {"clone", "exec"};
    std::istringstream words(text.substr(text.find("one of ") + 7));
    for (std::string word; words >> word;) {
        names.push_back(word.substr(0, word.find(',')));
    }
    return names;
}

/// As run_group_name() says it for another process.
std::string group_name_of(pid_t pid) {
    return fmt::format("run-{}-{}", pid, drydock::identify(pid).value().start_time);
}

}  // namespace

TEST_CASE("drydock-03: a command over its memory dies, and that is said in one line", "[03][run]") {
    const Outcome outcome = drydock_03({"--memory", "16m"}, {"busybox", "tail", "/dev/zero"});
    CHECK(outcome.status == 128 + SIGKILL);
    CHECK(outcome.err == "drydock-03: killed: out of memory (limit 16 MiB)\n");
}

TEST_CASE("drydock-03: a command that was killed did not run out of memory", "[03][run]") {
    const Outcome outcome = drydock_03({"--memory", "16m"}, {"sh", "-c", "kill -9 $$"});
    CHECK(outcome.status == 128 + SIGKILL);
    CHECK(outcome.err.empty());
}

TEST_CASE("drydock-03: forks stop at the limit of processes", "[03][run]") {
    const Outcome outcome =
        drydock_03({"--pids-limit", "10"},
                   {"sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done"});
    CHECK(outcome.status != 0);
    CHECK_THAT(outcome.err, ContainsSubstring("can't fork"));
    CHECK(left_groups().empty());
}

TEST_CASE("drydock-03: within its limits a command does not notice them", "[03][run]") {
    const Outcome outcome = drydock_03({"--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"},
                                       {"sh", "-c", "echo hi; exit 3"});
    CHECK(outcome.status == 3);
    CHECK(outcome.out == "hi\n");
    CHECK(outcome.err.empty());
}

TEST_CASE("drydock-03: the command sees its own group as the root of every tree", "[03][run]") {
    const Outcome outcome = drydock_03({"--memory", "64m"}, {"cat", "/proc/self/cgroup"});
    REQUIRE(outcome.status == 0);
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
        CHECK(line.ends_with(":/"));
    }
    const Outcome without = drydock_03({"--memory", "64m", "--without", "cgroup-namespace"},
                                       {"cat", "/proc/self/cgroup"});
    CHECK_THAT(without.out, ContainsSubstring("/drydock/run-"));
}

TEST_CASE("drydock-03: without join-cgroup a memory limit does nothing", "[03][run]") {
    const Outcome outcome = drydock_03(
        {"--memory", "16m", "--without", "join-cgroup"},
        {"sh", "-c", "busybox head -c 40m /dev/zero | busybox tail -c 40m | busybox wc -c"});
    CHECK(outcome.status == 0);
    CHECK(outcome.out == "41943040\n");
}

TEST_CASE("drydock-03: the group that one left when it was killed goes with the next start",
          "[03][run]") {
    Child child = start_program(command({"--memory", "64m"}, {"sleep", "1000"}));
    const std::string name = group_name_of(child.pid());
    REQUIRE(becomes_true([&] {
        drydock::Cgroup open = drydock::open_cgroup({.path = "drydock/" + name});
        const bool populated = open.populated();
        open.release();
        return populated;
    }));
    child.signal(SIGKILL);
    CHECK(child.wait() == 128 + SIGKILL);
    REQUIRE(becomes_true([&] {
        drydock::Cgroup open = drydock::open_cgroup({.path = "drydock/" + name});
        const bool empty = open && !open.populated();
        open.release();
        return empty;
    }));
    // One that still runs is left alone.
    Child other = start_program(command({"--memory", "64m"}, {"sleep", "1000"}));
    const std::string others = group_name_of(other.pid());
    REQUIRE(becomes_true([&] { return !cgroups_named(others).empty(); }));
    CHECK(drydock_03({}, {"true"}).status == 0);
    CHECK(cgroups_named(name).empty());
    CHECK(!cgroups_named(others).empty());
    CHECK(becomes_true([&] {
        try {
            other.signal(SIGINT);  // the third kills
        } catch (const std::system_error&) {
            return true;
        }
        return cgroups_named(others).empty();
    }));
}

TEST_CASE("drydock-03: the limits are in its group while it runs, and Ctrl-C leaves nothing",
          "[03][run]") {
    Child child = start_program(
        command({"--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"}, {"sleep", "1000"}));
    const std::string name = group_name_of(child.pid());
    const auto group = [&] { return drydock::open_cgroup({.path = "drydock/" + name}); };
    CHECK(becomes_true([&] {
        drydock::Cgroup open = group();
        const bool populated = open.populated();
        open.release();
        return populated;
    }));
    std::string texts;
    drydock::Cgroup open = group();
    for (const fs::path& directory : open.directories()) {
        for (const char* file :
             {"memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max", "pids.max"}) {
            if (fs::exists(directory / file)) {
                texts += drydock::read_file(directory / file);
            }
        }
    }
    open.release();
    CHECK_THAT(texts, ContainsSubstring("67108864\n"));
    CHECK_THAT(texts, ContainsSubstring("50000"));
    CHECK_THAT(texts, ContainsSubstring("20\n"));
    child.signal(SIGINT);  // the first two may be ignored by a PID 1; the third kills
    child.signal(SIGINT);
    CHECK(becomes_true([&] {
        try {
            child.signal(SIGINT);
        } catch (const std::system_error&) {
            return true;
        }
        return cgroups_named(name).empty();
    }));
    CHECK(child.wait() != 0);
    CHECK(cgroups_named(name).empty());
}

TEST_CASE("drydock-03: a failure in any step leaves no group behind", "[03][run]") {
    const std::vector<std::string> names = step_names();
    REQUIRE(names.size() > 20);
    for (const std::string& name : names) {
        CAPTURE(name);
        const Outcome outcome =
            drydock_03({"--memory", "64m"}, {"true"}, {"DRYDOCK_FAIL=" + name + ":error=5"});
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.err, ContainsSubstring("DRYDOCK_FAIL=" + name));
        CHECK(left_groups().empty());
    }
}

TEST_CASE("drydock-03: a child that is killed in any step leaves no group behind", "[03][run]") {
    for (const std::string& name : step_names()) {
        if (name == "idmapped-mounts" || name == "cgroup" || name == "clone" || name == "id-maps") {
            continue;  // these are the host's: it dies itself
        }
        CAPTURE(name);
        CHECK(
            drydock_03({"--memory", "64m"}, {"true"}, {"DRYDOCK_FAIL=" + name + ":kill"}).status ==
            125);
        CHECK(left_groups().empty());
    }
}

TEST_CASE("drydock-03: a wrong limit is refused in one line", "[03][run]") {
    const std::pair<std::vector<std::string>, const char*> table[] = {
        {{"--memory", "64x"}, "--memory: invalid size \"64x\"; expected a number and b, k, m or g"},
        {{"--memory", "1m"}, "memory limit 1 MiB: expected at least 6 MiB"},
        {{"--memory", "64m", "--memory-swap", "32m"}, "expected at least the memory limit"},
        {{"--cpus", "half"}, "--cpus: invalid number of CPUs \"half\""},
        {{"--cpus", "0.001"}, "expected at least 0.01"},
        {{"--pids-limit", "many"}, "--pids-limit: expected a whole number"},
        {{"--pids-limit", "0"}, "pids limit 0: expected at least 1"},
        {{"--cpu-shares", "1"}, "CPU shares 1: expected 2 to 262144"},
    };
    for (const auto& [flags, expected] : table) {
        const Outcome outcome = drydock_03(flags, {"true"});
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.err, ContainsSubstring(expected));
    }
    CHECK(left_groups().empty());
}

TEST_CASE(
    "drydock-03: devices that no rule allows cannot be opened, though their nodes can be made",
    "[03][run]") {
    const Outcome outcome =
        drydock_03({}, {"sh", "-c", "busybox mknod /dev/k c 1 11 && cat /dev/null && cat /dev/k"});
    CHECK(outcome.status != 0);
    CHECK_THAT(outcome.err,
               ContainsSubstring("/dev/k") && ContainsSubstring("Operation not permitted"));
}
