#include <fstream>

#include "testing/catch.hpp"

#include "api/processes.hpp"
#include "api/test_daemon.hpp"

namespace {

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::HttpRequestUnderWay;
using drydock::testing::Reply;
using drydock::testing::runs;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

/// Every directory of the host's cgroup trees, and its mount table.
std::set<std::string> host_state() {
    std::set<std::string> state;
    for (const auto& entry : fs::recursive_directory_iterator(
             "/sys/fs/cgroup", fs::directory_options::skip_permission_denied)) {
        if (entry.is_directory() && entry.path().native().find("drydock") != std::string::npos) {
            state.insert(entry.path());
        }
    }
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        state.insert("mount " + line);
    }
    return state;
}

TEST_CASE("container: create, start, wait, logs, remove", "[07][containers]") {
    const std::set<std::string> before = host_state();
    const TestDaemon daemon;
    const std::string id = daemon.create("echo out; echo err >&2; exit 7", {}, "one");
    CHECK(daemon.state(id)["Status"] == "created");
    CHECK(daemon.call("POST", "/containers/one/start").status == 204);
    CHECK(daemon.wait("one") == 7);
    const json state = daemon.state(id.substr(0, 12));
    CHECK(state["Status"] == "exited");
    CHECK(state["ExitCode"] == 7);
    CHECK(state["Pid"] == 0);
    CHECK(daemon.logs(id, "stdout=1") == "out\n");
    CHECK(daemon.logs(id, "stderr=1") == "err\n");
    CHECK(daemon.get("/containers/one/logs").status == 400);
    CHECK(daemon.get("/containers/json").json().empty());
    CHECK(daemon.get("/containers/json?all=1").json().size() == 1);
    CHECK(daemon.call("DELETE", "/containers/one").status == 204);
    CHECK(daemon.get("/containers/one/json").status == 404);
    CHECK(fs::is_empty(daemon.data_root() / "containers"));
    CHECK(fs::is_empty(daemon.data_root() / "trash"));
    CHECK(fs::is_empty(daemon.data_root() / "snapshots" / "active"));
    CHECK(fs::is_empty(daemon.run_root() / "runtime"));
    CHECK(host_state() == before);
}

TEST_CASE("wait: its head comes before the container is started, its body when it has ended",
          "[07][wait]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("exit 3");
    HttpRequestUnderWay wait(daemon.socket(), "POST",
                             "/containers/" + id + "/wait?condition=next-exit");
    CHECK(wait.head().status == 200);
    CHECK_FALSE(wait.readable(100));
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(wait.finish().json()["StatusCode"] == 3);
}

TEST_CASE(
    "wait: not-running answers at once, removed answers with the exit code, others are refused",
    "[07][wait]") {
    const TestDaemon daemon;
    const std::string never = daemon.create("true");
    CHECK(daemon.wait(never) == 0);
    CHECK(daemon.call("POST", "/containers/" + never + "/wait?condition=tomorrow").status == 400);
    const std::string id = daemon.create("exit 9", {{"HostConfig", {{"AutoRemove", true}}}});
    HttpRequestUnderWay wait(daemon.socket(), "POST",
                             "/containers/" + id + "/wait?condition=removed");
    wait.head();
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(wait.finish().json()["StatusCode"] == 9);
    CHECK(daemon.get("/containers/" + id + "/json").status == 404);
}

TEST_CASE(
    "start: a command that is not there is 127 in docker's words, and the container stays created",
    "[07][start]") {
    const TestDaemon daemon;
    const Reply made = daemon.call("POST", "/containers/create",
                                   R"({"Image":"drydock/base","Cmd":["no-such-command"]})");
    const std::string id = made.json()["Id"];
    const Reply reply = daemon.call("POST", "/containers/" + id + "/start");
    CHECK(reply.status == 400);
    CHECK_THAT(reply.json()["message"].get<std::string>(),
               ContainsSubstring("executable file not found"));
    CHECK(daemon.state(id)["Status"] == "created");
    CHECK(daemon.state(id)["ExitCode"] == 127);
    CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
}

TEST_CASE("start: when it fails an --rm container is removed, and who waits for that gets 127",
          "[07][start]") {
    const TestDaemon daemon;
    const Reply made =
        daemon.call("POST", "/containers/create",
                    R"({"Image":"drydock/base","Cmd":["nope"],"HostConfig":{"AutoRemove":true}})");
    const std::string id = made.json()["Id"];
    HttpRequestUnderWay wait(daemon.socket(), "POST",
                             "/containers/" + id + "/wait?condition=removed");
    wait.head();
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 400);
    CHECK(wait.finish().json()["StatusCode"] == 127);
    CHECK(daemon.get("/containers/" + id + "/json").status == 404);
}

TEST_CASE("start: a container that runs is left as it is, one that ended starts again",
          "[07][start]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("echo again; sleep 100");
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 304);
    CHECK(daemon.call("POST", "/containers/" + id + "/kill").status == 204);
    CHECK(daemon.wait(id) == 137);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(soon([&] { return daemon.logs(id) == "again\nagain\n"; }));
}

TEST_CASE("stop: the stop signal first, KILL after the grace", "[07][stop]") {
    const TestDaemon daemon;
    const std::string polite =
        daemon.run("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    REQUIRE(soon([&] { return daemon.logs(polite) == "ready\n"; }));
    CHECK(daemon.call("POST", "/containers/" + polite + "/stop?t=10").status == 204);
    CHECK(daemon.state(polite)["ExitCode"] == 5);
    CHECK(daemon.call("POST", "/containers/" + polite + "/stop").status == 304);
    const std::string deaf = daemon.run("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    REQUIRE(soon([&] { return daemon.logs(deaf) == "ready\n"; }));
    CHECK(daemon.call("POST", "/containers/" + deaf + "/stop?t=1").status == 204);
    CHECK(daemon.state(deaf)["ExitCode"] == 137);
}

TEST_CASE("kill: any signal, to a container that runs only", "[07][kill]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done");
    REQUIRE(soon([&] { return daemon.logs(id) == "ready\n"; }));
    CHECK(daemon.call("POST", "/containers/" + id + "/kill?signal=USR1").status == 204);
    CHECK(soon([&] { return daemon.logs(id) == "ready\nusr1\n"; }));
    CHECK(daemon.call("POST", "/containers/" + id + "/kill?signal=NONE").status == 400);
    CHECK(daemon.call("POST", "/containers/" + id + "/kill").status == 204);
    CHECK(daemon.wait(id) == 137);
    CHECK(daemon.call("POST", "/containers/" + id + "/kill").status == 409);
}

TEST_CASE("remove: one that runs needs force, and nothing of it is left", "[07][remove]") {
    const std::set<std::string> before = host_state();
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000 & sleep 1000");
    const int pid = daemon.state(id)["Pid"];
    CHECK(runs(pid));
    const Reply refused = daemon.call("DELETE", "/containers/" + id);
    CHECK(refused.status == 409);
    CHECK_THAT(refused.json()["message"].get<std::string>(),
               ContainsSubstring("You cannot remove a running container"));
    CHECK(daemon.call("DELETE", "/containers/" + id + "?force=1").status == 204);
    CHECK_FALSE(runs(pid));
    CHECK(host_state() == before);
    CHECK(daemon.call("DELETE", "/containers/" + id + "?force=1").status == 404);
}

TEST_CASE("names: one that is in use is a conflict in docker's words", "[07][names]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("true", {}, "web");
    const Reply reply =
        daemon.call("POST", "/containers/create?name=web", R"({"Image":"drydock/base"})");
    CHECK(reply.status == 409);
    CHECK_THAT(reply.json()["message"].get<std::string>(),
               ContainsSubstring(
                   "Conflict. The container name \"/web\" is already in use by container \"" + id +
                   "\"."));
    CHECK(daemon.call("POST", "/containers/create?name=-", R"({"Image":"drydock/base"})").status ==
          400);
    CHECK(daemon.call("POST", "/containers/web/rename?name=site").status == 204);
    CHECK(daemon.get("/containers/web/json").status == 404);
    CHECK(daemon.get("/containers/site/json").json()["Id"] == id);
}

TEST_CASE("logs: tail, timestamps, and a follower that gets every line up to the end",
          "[07][logs]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.create("for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done; printf last");
    HttpRequestUnderWay follow(daemon.socket(), "GET",
                               "/containers/" + id + "/logs?stdout=1&follow=1");
    CHECK(follow.head().status == 200);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    const std::string all = "line 1\nline 2\nline 3\nline 4\nline 5\nlast";
    CHECK(TestDaemon::unframed(follow.finish().body) == all);
    CHECK(daemon.logs(id, "stdout=1&tail=2") == "line 5\nlast");
    CHECK(daemon.logs(id, "stdout=1&tail=all") == all);
    CHECK(daemon.logs(id, "stdout=1&tail=-1&since=0") == all);
    CHECK(daemon.logs(id, "stdout=1&tail=0") == "");
    const std::string stamped = daemon.logs(id, "stdout=1&tail=1&timestamps=1");
    CHECK(stamped.size() == std::string("2026-01-02T03:04:05.000000006Z last").size());
    CHECK(daemon.get("/containers/" + id + "/logs?stdout=1&tail=x").status == 400);
}

TEST_CASE("ps: filters find containers by label, name and state", "[07][ps]") {
    const TestDaemon daemon;
    const std::string a =
        daemon.run("sleep 100", {{"Labels", {{"project", "p"}, {"service", "a"}}}}, "p-a-1");
    const std::string b =
        daemon.create("true", {{"Labels", {{"project", "p"}, {"service", "b"}}}}, "p-b-1");
    const auto ids = [&](const std::string& query) {
        std::vector<std::string> found;
        for (const json& one : daemon.get("/containers/json?" + query).json()) {
            found.push_back(one["Id"]);
        }
        return found;
    };
    using Ids = std::vector<std::string>;
    CHECK(ids("all=1&filters=%7B%22label%22%3A%5B%22project%3Dp%22%5D%7D") == Ids{b, a});
    CHECK(ids("all=1&filters=%7B%22label%22%3A%5B%22project%3Dp%22%2C%22service%3Da%22%5D%7D") ==
          Ids{a});
    CHECK(ids("filters=%7B%22status%22%3A%7B%22created%22%3Atrue%7D%7D") == Ids{b});
    CHECK(ids("limit=1") == Ids{b});
    CHECK(ids("all=0&trunc_cmd=0&limit=-1") == Ids{a});
    const json one = daemon.get("/containers/json").json()[0];
    CHECK(one["Names"][0] == "/p-a-1");
    CHECK(one["Command"] == "sh -c 'sleep 100'");
    CHECK_THAT(one["Status"].get<std::string>(), ContainsSubstring("Up "));
    CHECK(daemon.get("/containers/json?filters=%7B%22x%22%3A%5B%22y%22%5D%7D").status == 400);
}

TEST_CASE("limits: inspect shows them, a process over the memory limit is killed and said to be",
          "[07][limits]") {
    const TestDaemon daemon;
    const std::string id = daemon.run(
        "tail /dev/zero", {{"HostConfig", {{"Memory", 16 << 20}, {"MemorySwap", 16 << 20}}}});
    CHECK(daemon.wait(id) == 137);
    CHECK(daemon.state(id)["OOMKilled"] == true);
    CHECK(daemon.get("/containers/" + id + "/json").json()["HostConfig"]["Memory"] == 16 << 20);
}

TEST_CASE(
    "settings: environment, directory, user, hostname and entrypoint are what the client said",
    "[07][create]") {
    const TestDaemon daemon;
    const Reply made = daemon.call("POST", "/containers/create",
                                   R"json({"Image":"drydock/base","Entrypoint":["sh","-c"],
                                       "Cmd":["echo $A $(pwd) $(id -u) $(hostname)"],
                                       "Env":["A=b"],"WorkingDir":"/tmp","User":"1000","Hostname":"keel"
})json");
    const std::string id = made.json()["Id"];
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.logs(id) == "b /tmp 1000 keel\n");
}

TEST_CASE("explain: the steps of a start come back over the API", "[07][explain]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("true", {{"HostConfig", {{"Annotations", {{"drydock.explain", "1"}}}}}});
    CHECK(daemon.wait(id) == 0);
    CHECK_THAT(daemon.get("/drydock/containers/" + id + "/explain").body,
               ContainsSubstring("pivot-root"));
    CHECK(daemon.get("/drydock/containers/" + daemon.create("true") + "/explain").status == 404);
}

TEST_CASE("two clients at once: twenty containers each, all with their own exit code",
          "[07][containers]") {
    const TestDaemon daemon;
    // No assertion in a thread: Catch2 is made for one.
    const auto run_some = [&](std::vector<int>& codes) {
        for (int i = 0; i < 20; ++i) {
            const json body = {{"Image", "drydock/base"},
                               {"Cmd", {"sh", "-c", "exit " + std::to_string(i)}}};
            const json made = daemon.call("POST", "/containers/create", body.dump()).json();
            const std::string id = made.value("Id", "");
            const int started = daemon.call("POST", "/containers/" + id + "/start").status;
            codes.push_back(started == 204 ? daemon.wait(id) : -started);
        }
    };
    std::vector<int> first;
    std::vector<int> second;
    {
        const std::jthread one([&] { run_some(first); });
        const std::jthread two([&] { run_some(second); });
    }
    CHECK(first == second);
    CHECK(first.size() == 20);
    CHECK(first.back() == 19);
}

TEST_CASE("start: two at once start the container once", "[07][containers]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("sleep 100");
    std::vector<int> statuses(2);
    {
        const std::jthread one(
            [&] { statuses[0] = daemon.call("POST", "/containers/" + id + "/start").status; });
        const std::jthread two(
            [&] { statuses[1] = daemon.call("POST", "/containers/" + id + "/start").status; });
    }
    std::ranges::sort(statuses);
    CHECK(statuses == std::vector<int>{204, 304});
}

TEST_CASE("start: a client that goes away meanwhile changes nothing", "[07][containers]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("sleep 100");
    {
        const HttpRequestUnderWay gone(daemon.socket(), "POST", "/containers/" + id + "/start");
    }
    CHECK(soon([&] { return daemon.state(id)["Status"] == "running"; }));
}

TEST_CASE("attach: a client that attaches before the start gets all the output", "[07][attach]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.create("echo hello; echo oops >&2", {{"HostConfig", {{"AutoRemove", true}}}});
    HttpRequestUnderWay attach(daemon.socket(), "POST",
                               "/containers/" + id + "/attach?stream=1&stdout=1&stderr=1", "",
                               "Connection: Upgrade\r\nUpgrade: tcp\r\n");
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(TestDaemon::unframed(attach.finish().body) == "hello\noops\n");
}

}  // namespace
