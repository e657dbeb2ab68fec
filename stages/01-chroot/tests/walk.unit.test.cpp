#include "01-chroot/walk.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exec_command.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

using drydock::Side;
using drydock::Step;
using drydock::Walk;
using drydock::testing::ContainsSubstring;

namespace {

/// A start that leaves a trace: each row appends a letter to a file, whichever process does it.
struct Start {
    std::filesystem::path trace{};
    std::string command = "exit 0";
    Walk walk;

    void mark(const char* letter) const {
        const drydock::UniqueFd fd = drydock::open_file(trace, O_WRONLY | O_APPEND | O_CREAT, 0600);
        drydock::check(::write(fd.get(), letter, 1), "write({})", letter);
    }
};

constexpr Step<Start> kSteps[] = {
    {"a", Side::Host, [](Start& s) { s.mark("a"); }, "one"},
    {"clone", Side::Host, [](Start& s) { s.walk.clone(0); }, "clone(2)"},
    {"b", Side::Child, [](Start& s) { s.mark("b"); }, "two"},
    {"c", Side::Host, [](Start& s) { s.mark("c"); }, "three"},
    {"d", Side::Host, [](Start& s) { s.mark("d"); }, "three"},
    {"e", Side::Child, [](Start& s) { s.mark("e"); }, "four"},
    {"exec", Side::Child,
     [](Start& s) { drydock::exec_command({.argv = {"/bin/sh", "-c", s.command}}); }, "execve(2)"},
};

/// One walk over kSteps: its outcome and its trace.
struct Outcome {
    int status = -1;
    std::string error{};
    std::string trace{};
    std::vector<drydock::StepReport> reports{};
};

Outcome walk_with(drydock::WalkOptions options, const char* fault = nullptr,
                  const std::string& command = "exit 0") {
    const drydock::TempDir dir("drydock-test");
    fault != nullptr ? ::setenv("DRYDOCK_FAIL", fault, 1) : ::unsetenv("DRYDOCK_FAIL");
    Outcome outcome;
    try {
        Start start{
            .trace = dir.path() / "trace", .command = command, .walk = Walk(std::move(options))};
        ::unsetenv("DRYDOCK_FAIL");
        drydock::walk(kSteps, start);
        outcome.reports = start.walk.reports();
        outcome.status = start.walk.wait();
    } catch (const drydock::SetupError& e) {
        outcome.status = e.exit_status();
        outcome.error = e.what();
    } catch (const drydock::InputError& e) {
        outcome.error = e.what();
    }
    ::unsetenv("DRYDOCK_FAIL");
    std::ifstream in(dir.path() / "trace");
    outcome.trace.assign(std::istreambuf_iterator<char>(in), {});
    return outcome;
}

bool has_children() {
    return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD;
}

}  // namespace

TEST_CASE("walk: rows are done in the order of the table, across both processes", "[01][walk]") {
    const Outcome outcome = walk_with({});
    CHECK(outcome.trace == "abcde");
    CHECK(outcome.status == 0);
    CHECK_FALSE(has_children());
}

TEST_CASE("walk: the command's exit status comes back exactly", "[01][walk]") {
    CHECK(walk_with({}, nullptr, "exit 200").status == 200);
    CHECK(walk_with({}, nullptr, "kill -9 $$").status == 137);
}

TEST_CASE("walk: --without leaves a row out, on either side", "[01][walk]") {
    CHECK(walk_with({.without = {"c"}}).trace == "abde");
    CHECK(walk_with({.without = {"b", "e"}}).trace == "acd");
}

TEST_CASE("walk: --without a name that is no row lists those that are", "[01][walk]") {
    CHECK(walk_with({.without = {"nonsense"}}).error ==
          "--without nonsense: expected one of a, b, c, d, e");
    CHECK_THAT(walk_with({.without = {"clone"}}).error, ContainsSubstring("--without clone"));
}

TEST_CASE("walk: an error names the step, the call and the errno, whichever side fails",
          "[01][walk]") {
    for (const char* step : {"a", "b", "c", "d", "e"}) {
        INFO(step);
        const Outcome outcome = walk_with({}, (std::string(step) + ":error=13").c_str());
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.error, ContainsSubstring(std::string(step) + ": DRYDOCK_FAIL=" + step));
        CHECK_THAT(outcome.error, ContainsSubstring("Permission denied"));
        CHECK(outcome.trace == std::string("abcde").substr(0, std::string("abcde").find(step)));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("walk: a child that is killed in a step ends the walk, and is reaped", "[01][walk]") {
    for (const char* fault : {"b:kill", "b:kill-after", "e:kill", "e:kill-after", "exec:kill"}) {
        INFO(fault);
        const Outcome outcome = walk_with({}, fault);
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.error,
                   ContainsSubstring("ended while it was being set up (exit status 137)"));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("walk: a command that is not there is 127 without a step's name", "[01][walk]") {
    constexpr Step<Start> kNowhere[] = {
        {"clone", Side::Host, [](Start& s) { s.walk.clone(0); }, ""},
        {"exec", Side::Child, [](Start&) { drydock::exec_command({.argv = {"nowhere"}}); }, ""},
    };
    Start start{.walk = Walk()};
    try {
        drydock::walk(kNowhere, start);
        FAIL("no error");
    } catch (const drydock::SetupError& e) {
        CHECK(e.exit_status() == 127);
        CHECK(std::string(e.what()) == "exec: \"nowhere\": executable file not found in $PATH");
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("walk: wrong input that a child finds is told in its own words", "[01][walk]") {
    constexpr Step<Start> kWrong[] = {
        {"clone", Side::Host, [](Start& s) { s.walk.clone(0); }, ""},
        {"user", Side::Child, [](Start&) { throw drydock::InputError("user \"x\": not there"); },
         ""},
        {"exec", Side::Child, [](Start&) {}, ""},
    };
    Start start{.walk = Walk()};
    CHECK_THROWS_WITH(drydock::walk(kWrong, start), "user \"x\": not there");
}

TEST_CASE("walk: signals are blocked while it lives and the command has them as they were",
          "[01][walk]") {
    const Outcome outcome =
        walk_with({}, nullptr, "grep -q '^SigBlk:.*0000000000000000$' /proc/self/status || exit 1");
    CHECK(outcome.status == 0);
    {
        const Walk walk;
        sigset_t blocked{};
        ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
        CHECK(sigismember(&blocked, SIGINT) == 1);
    }
    sigset_t blocked{};
    ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    CHECK(sigismember(&blocked, SIGINT) == 0);
}

TEST_CASE("walk: --explain reports every row in order, with its calls, and says what was skipped",
          "[01][walk]") {
    const drydock::Pipe pipe = drydock::make_pipe();
    const Outcome outcome =
        walk_with({.explain = true, .explain_fd = pipe.write.get(), .without = {"d"}});
    std::string names;
    for (const drydock::StepReport& report : outcome.reports) {
        names += report.name + " ";
        CHECK(report.nanoseconds >= -1);
    }
    CHECK(names == "a clone b c d e exec ");
    REQUIRE(outcome.reports.size() == 7);
    CHECK(outcome.reports[2].side == Side::Child);
    CHECK(outcome.reports[2].calls.back() == "write(b)");
    CHECK(outcome.reports[4].skipped);
    CHECK_THAT(drydock::to_text(outcome.reports[2]), ContainsSubstring("-> two\n"));
    CHECK_THAT(drydock::to_text(outcome.reports[4]), ContainsSubstring("skipped (--without)"));
}

TEST_CASE("walk: a DRYDOCK_FAIL that nobody can read is an input error", "[01][walk]") {
    CHECK_THAT(walk_with({}, "nonsense").error,
               ContainsSubstring("DRYDOCK_FAIL=nonsense: expected STEP:kill"));
}
