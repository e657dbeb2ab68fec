// What outlives the daemon, and what the next one makes of it.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "testing/catch.hpp"

#include "api/processes.hpp"
#include "api/test_daemon.hpp"

namespace {

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::HttpRequestUnderWay;
using drydock::testing::runs;
using drydock::testing::soon;
using drydock::testing::TestDaemon;

TEST_CASE("crash: containers go on when the daemon is killed, and the next one knows them",
          "[07][crash]") {
    TestDaemon daemon;
    const std::string ends =
        daemon.run("while [ ! -e /go ]; do sleep 0.02; done; echo done; exit 4", {}, "ends");
    const std::string stays = daemon.run("echo here; sleep 1000", {}, "stays");
    const std::string never = daemon.create("true", {}, "never");
    const std::string gone = daemon.run("while [ ! -e /go ]; do sleep 0.02; done",
                                        {{"HostConfig", {{"AutoRemove", true}}}});
    const int pid = daemon.state(stays)["Pid"];
    const int pid_of_ends = daemon.state(ends)["Pid"];
    const int pid_of_gone = daemon.state(gone)["Pid"];
    CHECK(daemon.end(SIGKILL) == 137);
    CHECK(runs(pid));
    std::ofstream("/proc/" + std::to_string(pid_of_ends) + "/root/go") << "";
    std::ofstream("/proc/" + std::to_string(pid_of_gone) + "/root/go") << "";
    CHECK(soon([&] { return !runs(pid_of_ends) && !runs(pid_of_gone); }));
    daemon.start();
    CHECK(daemon.state(ends)["Status"] == "exited");
    CHECK(daemon.wait(ends) == 4);
    CHECK(daemon.logs(ends) == "done\n");
    CHECK(daemon.state(stays)["Pid"] == pid);
    CHECK(daemon.state(stays)["Status"] == "running");
    CHECK(daemon.logs(stays) == "here\n");
    CHECK(daemon.state(never)["Status"] == "created");
    CHECK(daemon.get("/containers/" + gone + "/json").status == 404);
    CHECK(daemon.call("POST", "/containers/stays/stop?t=0").status == 204);
    CHECK(daemon.state(stays)["ExitCode"] == 137);
}

TEST_CASE("crash: a daemon that is ended in an orderly way leaves containers running too",
          "[07][crash]") {
    TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const int pid = daemon.state(id)["Pid"];
    HttpRequestUnderWay wait(daemon.socket(), "POST", "/containers/" + id + "/wait");
    wait.head();
    CHECK(daemon.end(SIGTERM) == 0);
    CHECK(runs(pid));
    daemon.start();
    CHECK(daemon.state(id)["Pid"] == pid);
}

TEST_CASE("crash: a container whose shim is killed has ended", "[07][crash]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const int pid = daemon.state(id)["Pid"];
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    const std::string text{std::istreambuf_iterator<char>(status), {}};
    const int parent = std::stoi(text.substr(text.find("PPid:") + 5));
    REQUIRE(parent > 1);
    ::kill(parent, SIGKILL);
    CHECK(daemon.wait(id) == 137);
    CHECK_FALSE(runs(pid));
}

TEST_CASE("crash: a create that never ended is cleared away, a damaged container is left alone",
          "[07][crash]") {
    TestDaemon daemon;
    const std::string id = daemon.create("true");
    CHECK(daemon.end(SIGTERM) == 0);
    const fs::path containers = daemon.data_root() / "containers";
    fs::create_directory(containers / std::string(64, 'b'));
    fs::create_directory(containers / std::string(64, 'c'));
    std::ofstream(containers / std::string(64, 'c') / "container.json") << "{";
    daemon.start();
    CHECK_FALSE(fs::exists(containers / std::string(64, 'b')));
    CHECK(fs::exists(containers / std::string(64, 'c')));
    CHECK_THAT(daemon.errors(), ContainsSubstring("left alone"));
    CHECK(daemon.get("/containers/json?all=1").json().size() == 1);
}

}  // namespace
