#include "03-cgroups/state.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

#include "shim_report.hpp"

namespace fs = std::filesystem;
using drydock::ContainerState;
using drydock::InputError;
using drydock::ProcessIdentity;
using drydock::StateEntry;
using drydock::testing::ContainsSubstring;

namespace {

ContainerState example() {
    const ProcessIdentity us = drydock::identify(::getpid()).value();
    return {.id = "c1",
            .bundle = "/b",
            .init = us,
            .keeper = us,
            .boot_id = drydock::this_boot_id(),
            .cgroup = {.path = "drydock/c1", .below_own = true},
            .created = drydock::timestamp()};
}

}  // namespace

TEST_CASE("check_container_id: only names that stay in their folder", "[03][state]") {
    for (const char* id : {"a", "A9", "web_1.2-3+4", "0123456789abcdef"}) {
        CHECK_NOTHROW(drydock::check_container_id(id));
    }
    for (const std::string& id :
         {std::string(), std::string("."), std::string(".."), std::string("../x"),
          std::string("a/b"), std::string("-x"), std::string("a b"), std::string("a\nb"),
          std::string("é"), std::string("a\0b", 3), std::string(1025, 'a')}) {
        CAPTURE(id);
        CHECK_THROWS_AS(drydock::check_container_id(id), InputError);
    }
}

TEST_CASE("StateEntry: what is saved is loaded, until the entry goes", "[03][state]") {
    const drydock::TempDir root("state");
    {
        const StateEntry entry(root.path(), "c1");
        entry.save(example());
        CHECK(drydock::load_state(root.path(), "c1").init == example().init);
        CHECK(drydock::load_state(root.path(), "c1").cgroup.path == "drydock/c1");
        CHECK(drydock::load_state(root.path(), "c1").cgroup.below_own);
        CHECK(drydock::list_states(root.path()).size() == 1);
        CHECK_THROWS_WITH(StateEntry(root.path(), "c1"), ContainsSubstring("exists already"));
    }
    CHECK(!fs::exists(root.path() / "c1"));
    CHECK_THROWS_WITH(drydock::load_state(root.path(), "c1"),
                      ContainsSubstring("no such container"));
}

TEST_CASE("load_state: a damaged file is an error that says what removes it", "[03][state]") {
    const drydock::TempDir root("state");
    const StateEntry entry(root.path(), "c1");
    CHECK_THROWS_WITH(drydock::load_state(root.path(), "c1"),
                      ContainsSubstring("delete --force c1"));
    std::ofstream(root.path() / "c1" / "state.json") << "{\"id\": ";
    CHECK_THROWS_WITH(drydock::load_state(root.path(), "c1"),
                      ContainsSubstring("delete --force c1"));
    CHECK(drydock::list_states(root.path()).empty());
}

TEST_CASE("status_of: it is what the processes are", "[03][state]") {
    ContainerState state = example();
    CHECK(drydock::status_of(state) == "running");
    state.init.pid = 0;
    CHECK(drydock::status_of(state) == "creating");
    state.keeper.pid = 0;
    CHECK(drydock::status_of(state) == "stopped");
    state = example();
    state.init.start_time += 1;  // another process with the same pid
    CHECK(drydock::status_of(state) == "stopped");
    state = example();
    state.boot_id = "another boot";
    CHECK(drydock::status_of(state) == "stopped");
}

TEST_CASE("alive: not after the end, though nobody has reaped it", "[03][state]") {
    drydock::Child child = drydock::clone_child(0);
    if (!child) {
        ::pause();
        ::_exit(0);
    }
    const auto identity = drydock::identify(child.pid());
    REQUIRE(identity);
    CHECK(drydock::alive(*identity));
    CHECK(drydock::parent_of(child.pid()) == ::getpid());
    child.signal(SIGKILL);
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOWAIT);
    CHECK(!drydock::alive(*identity));
    child.wait();
    CHECK(!drydock::identify(identity->pid));
}

TEST_CASE("ShimReport: both kinds come out as they went in", "[03][shim]") {
    CHECK(drydock::parse_report(drydock::to_text(drydock::ShimReport{.pid = 42})).pid == 42);
    const auto failed = drydock::parse_report(drydock::to_text(drydock::ShimReport{
        .exit_status = 127, .error_number = 2, .error = "exec: \"x\": not\nfound"}));
    CHECK(failed.pid == 0);
    CHECK(failed.exit_status == 127);
    CHECK(failed.error_number == 2);
    CHECK(failed.error == "exec: \"x\": not\nfound");
    CHECK(drydock::parse_report("").exit_status == 125);
    CHECK(drydock::parse_report("started x").exit_status == 125);
}
