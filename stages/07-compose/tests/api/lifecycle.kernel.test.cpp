// Restart policies, pausing, events, usage, updates and health, by the API and by the docker
// command line.
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;

namespace {

json restart_policy(const char* name, int retries = 0) {
    return {{"HostConfig", {{"RestartPolicy", {{"Name", name}, {"MaximumRetryCount", retries}}}}}};
}

json health_check(const std::string& script, std::int64_t interval_ms, int retries = 1) {
    constexpr std::int64_t kMillisecond = 1'000'000;
    return {{"Healthcheck",
             {{"Test", {"CMD-SHELL", script}},
              {"Interval", interval_ms * kMillisecond},
              {"Timeout", 500 * kMillisecond},
              {"Retries", retries}}}};
}

/// The actions of a container's events so far.
std::vector<std::string> actions(const TestDaemon& daemon, const std::string& id) {
    std::vector<std::string> found;
    const std::string lines =
        daemon.get("/events?until=" + std::to_string(::time(nullptr)) + ".999999999").body;
    for (std::size_t at = 0; at < lines.size();) {
        const auto end = lines.find('\n', at);
        const json event = json::parse(lines.substr(at, end - at));
        if (event["Actor"]["ID"] == id) {
            found.push_back(event["Action"]);
        }
        at = end + 1;
    }
    return found;
}

bool has_action(const TestDaemon& daemon, const std::string& id, const std::string& action) {
    const auto all = actions(daemon, id);
    return std::ranges::find(all, action) != all.end();
}

}  // namespace

TEST_CASE("restart policy: on-failure starts it again so many times, and not after a success",
          "[07][restart]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("echo run; exit 3", restart_policy("on-failure", 2));
    REQUIRE(soon([&] { return daemon.state(id)["Status"] == "exited"; }));
    CHECK(daemon.logs(id) == "run\nrun\nrun\n");
    CHECK(daemon.get("/containers/" + id + "/json").json()["RestartCount"] == 2);
    CHECK(daemon.state(id)["ExitCode"] == 3);
    const std::string fine = daemon.run("exit 0", restart_policy("on-failure", 2));
    REQUIRE(soon([&] { return daemon.state(fine)["Status"] == "exited"; }));
    CHECK(daemon.get("/containers/" + fine + "/json").json()["RestartCount"] == 0);
}

TEST_CASE("restart policy: waits longer each time, and is restarting meanwhile", "[07][restart]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("exit 5", restart_policy("always"));
    REQUIRE(soon(
        [&] { return daemon.get("/containers/" + id + "/json").json()["RestartCount"] >= 2; }));
    // The next pause is of 400 ms.
    REQUIRE(soon([&] { return daemon.state(id)["Status"] == "restarting"; }));
    const json state = daemon.state(id);
    CHECK(state["Running"] == true);
    CHECK(state["Restarting"] == true);
    CHECK(state["Pid"] == 0);
    CHECK(daemon.get("/containers/json").json().size() == 1);
    CHECK(daemon.call("POST", "/containers/" + id + "/exec", R"({"Cmd":["true"]})").status == 409);
    CHECK(daemon.call("DELETE", "/containers/" + id).status == 409);
    CHECK(daemon.call("POST", "/containers/" + id + "/stop").status == 204);
    CHECK(daemon.state(id)["Status"] == "exited");
    const auto count = daemon.get("/containers/" + id + "/json").json()["RestartCount"];
    ::usleep(900'000);  // longer than the pause that was given up
    CHECK(daemon.get("/containers/" + id + "/json").json()["RestartCount"] == count);
}

TEST_CASE("restart policy: who is stopped or killed stays so, rm -f ends one that restarts",
          "[07][restart]") {
    const TestDaemon daemon;
    const std::string stopped = daemon.run("sleep 1000", restart_policy("always"));
    CHECK(daemon.call("POST", "/containers/" + stopped + "/stop?t=0").status == 204);
    const std::string killed = daemon.run("sleep 1000", restart_policy("unless-stopped"));
    CHECK(daemon.call("POST", "/containers/" + killed + "/kill").status == 204);
    CHECK(daemon.wait(killed) == 137);
    const std::string ends = daemon.run("exit 1", restart_policy("always"));
    CHECK(daemon.call("DELETE", "/containers/" + ends + "?force=1").status == 204);
    ::usleep(300'000);  // longer than the first pause
    CHECK(daemon.state(stopped)["Status"] == "exited");
    CHECK(daemon.state(killed)["Status"] == "exited");
    CHECK(daemon.get("/containers/" + ends + "/json").status == 404);
}

TEST_CASE("restart policy: a new daemon starts what ended while there was none, as the policy says",
          "[07][restart]") {
    TestDaemon daemon;
    const std::string always = daemon.run("sleep 1000", restart_policy("always"));
    const std::string unless = daemon.run("sleep 1000", restart_policy("unless-stopped"));
    const std::string stopped = daemon.run("sleep 1000", restart_policy("unless-stopped"));
    const std::string never = daemon.run("sleep 1000", restart_policy("no"));
    CHECK(daemon.call("POST", "/containers/" + stopped + "/stop?t=0").status == 204);
    std::vector<int> pids;
    for (const std::string& id : {always, unless, never}) {
        pids.push_back(daemon.state(id)["Pid"]);
    }
    CHECK(daemon.end(SIGKILL) == 137);
    for (const int pid : pids) {
        ::kill(pid, SIGKILL);
    }
    daemon.start();
    CHECK(soon([&] { return daemon.state(always)["Status"] == "running"; }));
    CHECK(soon([&] { return daemon.state(unless)["Status"] == "running"; }));
    CHECK(daemon.state(stopped)["Status"] == "exited");
    CHECK(daemon.state(never)["Status"] == "exited");
}

TEST_CASE("restart policy: --rm does not go with one, and nonsense is refused", "[07][restart]") {
    const TestDaemon daemon;
    const auto create = [&](json host) {
        return daemon
            .call("POST", "/containers/create",
                  json{{"Image", "drydock/base"}, {"HostConfig", std::move(host)}}.dump())
            .status;
    };
    CHECK(create({{"AutoRemove", true}, {"RestartPolicy", {{"Name", "always"}}}}) == 400);
    CHECK(create({{"RestartPolicy", {{"Name", "sometimes"}}}}) == 400);
    CHECK(create({{"RestartPolicy", {{"Name", "always"}, {"MaximumRetryCount", 3}}}}) == 400);
    CHECK(create({{"RestartPolicy", {{"Name", ""}}}}) == 201);
}

TEST_CASE("restart: a container made to be removed at its end is stopped and started, not removed",
          "[07][restart]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("echo run; sleep 1000", {{"HostConfig", {{"AutoRemove", true}}}});
    CHECK(daemon.call("POST", "/containers/" + id + "/restart?t=0").status == 204);
    CHECK(soon([&] { return daemon.logs(id) == "run\nrun\n"; }));
    CHECK(daemon.state(id)["Status"] == "running");
    CHECK(has_action(daemon, id, "restart"));
}

TEST_CASE("pause: nothing gets on until unpause, and a kill is felt all the same", "[07][pause]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("while :; do echo tick; sleep 0.02; done");
    const std::string path = "/containers/" + id;
    CHECK(daemon.call("POST", path + "/unpause").status == 409);
    CHECK(daemon.call("POST", path + "/pause").status == 204);
    CHECK(daemon.call("POST", path + "/pause").status == 409);
    const json state = daemon.state(id);
    CHECK(state["Status"] == "paused");
    CHECK(state["Running"] == true);
    CHECK(state["Paused"] == true);
    CHECK_THAT(daemon.get("/containers/json").json()[0]["Status"].get<std::string>(),
               ContainsSubstring("(Paused)"));
    CHECK(daemon.get("/info").json()["ContainersPaused"] == 1);
    const std::string before = daemon.logs(id);
    ::usleep(200'000);
    CHECK(daemon.logs(id) == before);
    const Reply exec = daemon.call("POST", path + "/exec", R"({"Cmd":["true"]})");
    CHECK(exec.status == 409);
    CHECK_THAT(exec.json()["message"].get<std::string>(),
               ContainsSubstring("is paused, unpause the container before exec"));
    CHECK(daemon.call("DELETE", path).status == 409);
    CHECK(daemon.call("POST", path + "/unpause").status == 204);
    CHECK(soon([&] { return daemon.logs(id) != before; }));
    CHECK(daemon.call("POST", path + "/pause").status == 204);
    CHECK(daemon.call("POST", path + "/kill").status == 204);
    CHECK(daemon.wait(id) == 137);
}

TEST_CASE("pause: is known to the next daemon", "[07][pause]") {
    TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    CHECK(daemon.call("POST", "/containers/" + id + "/pause").status == 204);
    CHECK(daemon.end(SIGKILL) == 137);
    daemon.start();
    CHECK(daemon.state(id)["Status"] == "paused");
    CHECK(daemon.call("POST", "/containers/" + id + "/stop?t=0").status == 204);
}

TEST_CASE("events: the life of a container in docker's words and order", "[07][events]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("exit 7", {{"Labels", {{"a", "b"}}}}, "one");
    CHECK(daemon.wait(id) == 7);
    CHECK(daemon.call("POST", "/containers/one/rename?name=two").status == 204);
    CHECK(daemon.call("DELETE", "/containers/two").status == 204);
    CHECK(actions(daemon, id) ==
          std::vector<std::string>{"create", "start", "die", "rename", "destroy"});
    const std::string die =
        daemon
            .get("/events?since=0&until=" + std::to_string(::time(nullptr) + 1) +
                 "&filters=%7B%22event%22%3A%5B%22die%22%5D%7D")
            .body;
    const json event = json::parse(die);
    CHECK(event["Type"] == "container");
    CHECK(event["status"] == "die");
    CHECK(event["id"] == id);
    CHECK(event["from"] == "drydock/base");
    CHECK(event["scope"] == "local");
    CHECK(event["Actor"]["Attributes"]["exitCode"] == "7");
    CHECK(event["Actor"]["Attributes"]["name"] == "one");
    CHECK(event["Actor"]["Attributes"]["a"] == "b");
    CHECK(event["timeNano"].get<std::int64_t>() / 1'000'000'000 == event["time"]);
}

TEST_CASE("events: headers at once, then each as it comes, as the filter says", "[07][events]") {
    const TestDaemon daemon;
    HttpRequestUnderWay events(
        daemon.socket(), "GET",
        "/events?filters=%7B%22event%22%3A%7B%22start%22%3Atrue%7D%2C%22label%22%3A%5B%22x%3Dy%22"
        "%5D%7D");
    CHECK(events.head().status == 200);
    CHECK_FALSE(events.readable(100));
    const std::string other = daemon.run("true");
    CHECK_FALSE(events.readable(100));
    const std::string id = daemon.run("true", {{"Labels", {{"x", "y"}}}});
    CHECK(events.readable(5000));
    CHECK(daemon.get("/events?since=20&until=10").status == 400);
    CHECK(daemon.get("/events?filters=%7B%22x%22%3A%5B%22y%22%5D%7D").status == 400);
}

TEST_CASE("events: an exec tells of its start and its end", "[07][events]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const json made =
        daemon.call("POST", "/containers/" + id + "/exec", R"({"Cmd":["sh","-c","exit 6"]})")
            .json();
    CHECK(
        daemon
            .call("POST", "/exec/" + made["Id"].get<std::string>() + "/start", R"({"Detach":true})")
            .status == 200);
    CHECK(soon([&] { return has_action(daemon, id, "exec_die"); }));
    CHECK(has_action(daemon, id, "exec_create: sh -c exit 6"));
    CHECK(has_action(daemon, id, "exec_start: sh -c exit 6"));
}

TEST_CASE("stats: what docker's readers read, once and as a stream", "[07][stats]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("while :; do :; done", {}, "busy");
    const json stats = daemon.get("/containers/busy/stats?stream=0").json();
    CHECK(stats["id"] == id);
    CHECK(stats["name"] == "/busy");
    const auto used = stats["cpu_stats"]["cpu_usage"]["total_usage"].get<std::int64_t>();
    const auto used_before = stats["precpu_stats"]["cpu_usage"]["total_usage"].get<std::int64_t>();
    CHECK(used > used_before);
    CHECK(stats["cpu_stats"]["system_cpu_usage"].get<std::int64_t>() >
          stats["precpu_stats"]["system_cpu_usage"].get<std::int64_t>());
    CHECK(stats["cpu_stats"]["online_cpus"].get<int>() >= 1);
    CHECK(stats["memory_stats"]["usage"].get<std::int64_t>() > 0);
    CHECK(stats["memory_stats"]["limit"].get<std::int64_t>() > 0);
    CHECK(stats["pids_stats"]["current"].get<int>() >= 1);
    HttpRequestUnderWay stream(daemon.socket(), "GET", "/containers/busy/stats");
    CHECK(stream.head().status == 200);
    CHECK(stream.readable(3000));
    const json one_shot = daemon.get("/containers/busy/stats?stream=0&one-shot=1").json();
    CHECK(one_shot["precpu_stats"]["cpu_usage"]["total_usage"] == 0);
    const json stopped =
        daemon.get("/containers/" + daemon.create("true") + "/stats?stream=0").json();
    CHECK(stopped["read"] == "0001-01-01T00:00:00Z");
}

TEST_CASE("top: the processes of the container and no others", "[07][top]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1234 & exec sleep 4321");
    const std::string path = "/containers/" + id + "/top";
    REQUIRE(soon([&] { return daemon.get(path).json()["Processes"].size() == 2; }));
    const json list = daemon.get(path).json();
    CHECK(list["Titles"].front() == "UID");
    CHECK(list["Titles"].back() == "CMD");
    CHECK_THAT(list["Processes"].dump(),
               ContainsSubstring("sleep 1234") && ContainsSubstring("sleep 4321"));
    CHECK(daemon.get(path + "?ps_args=aux").json()["Titles"].front() == "USER");
    CHECK(daemon.get(path + "?ps_args=-o%20comm").status == 400);
    const std::string children =
        run_program({"ps", "-o", "stat=", "--ppid", std::to_string(daemon.pid())}).out;
    CHECK_THAT(children, !ContainsSubstring("Z"));  // each ps that it asked has been waited for
    CHECK(daemon.get("/containers/" + daemon.create("true") + "/top").status == 409);
}

TEST_CASE("update: limits hold now and at the next start, and the policy is the new one",
          "[07][update]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const std::string path = "/containers/" + id;
    const auto limit = [&] {
        return daemon.get(path + "/stats?stream=0&one-shot=1").json()["memory_stats"]["limit"];
    };
    const Reply reply = daemon.call("POST", path + "/update",
                                    R"({"Memory":33554432,"MemorySwap":33554432,"PidsLimit":0,
                                        "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":4}})");
    CHECK(reply.status == 200);
    CHECK(reply.json()["Warnings"].is_null());
    CHECK(limit() == 33554432);
    CHECK(daemon.call("POST", path + "/restart?t=0").status == 204);
    CHECK(limit() == 33554432);
    const json host = daemon.get(path + "/json").json()["HostConfig"];
    CHECK(host["Memory"] == 33554432);
    CHECK(host["RestartPolicy"]["Name"] == "on-failure");
    CHECK(host["RestartPolicy"]["MaximumRetryCount"] == 4);
    CHECK(daemon.call("POST", path + "/update", R"({"Memory":1})").status == 400);
    CHECK(daemon.call("POST", path + "/update", R"({"RestartPolicy":{"Name":"x"}})").status == 400);
}

TEST_CASE("health: from starting to healthy to unhealthy, with the output and an event each",
          "[07][health]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("sleep 1000", health_check("echo seen; [ ! -e /sick ]", 100, 2), "patient");
    CHECK(daemon.state(id)["Health"]["Status"] == "starting");
    REQUIRE(soon([&] { return daemon.state(id)["Health"]["Status"] == "healthy"; }));
    CHECK(daemon.state(id)["Health"]["Log"][0]["Output"] == "seen\n");
    CHECK(daemon.state(id)["Health"]["Log"][0]["ExitCode"] == 0);
    CHECK_THAT(daemon.get("/containers/json").json()[0]["Status"].get<std::string>(),
               ContainsSubstring("(healthy)"));
    const int pid = daemon.state(id)["Pid"];
    std::ofstream("/proc/" + std::to_string(pid) + "/root/sick") << "";
    REQUIRE(soon([&] { return daemon.state(id)["Health"]["Status"] == "unhealthy"; }));
    CHECK(daemon.state(id)["Health"]["FailingStreak"].get<int>() >= 2);
    REQUIRE(soon([&] { return daemon.state(id)["Health"]["Log"].size() == 5; }));
    CHECK(has_action(daemon, id, "health_status: healthy"));
    CHECK(has_action(daemon, id, "health_status: unhealthy"));
    CHECK(daemon.get("/containers/json?filters=%7B%22health%22%3A%5B%22unhealthy%22%5D%7D")
              .json()
              .size() == 1);
    CHECK(daemon.call("POST", "/containers/" + id + "/stop?t=0").status == 204);
    CHECK_FALSE(daemon.state(id).contains("Health"));
}

TEST_CASE("health: a check that takes too long has failed, and is gone", "[07][health]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000", health_check("sleep 4711", 100));
    REQUIRE(soon([&] { return daemon.state(id)["Health"]["Status"] == "unhealthy"; }));
    CHECK_THAT(daemon.state(id)["Health"]["Log"][0]["Output"].get<std::string>(),
               ContainsSubstring("Health check exceeded timeout (0.5s)"));
    CHECK(daemon.call("POST", "/containers/" + id + "/pause").status == 204);
    CHECK(daemon.call("POST", "/containers/" + id + "/unpause").status == 204);
}

TEST_CASE("health: NONE is no check, and a check that is none is refused", "[07][health]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000", {{"Healthcheck", {{"Test", {"NONE"}}}}});
    CHECK_FALSE(daemon.state(id).contains("Health"));
    CHECK(daemon
              .call("POST", "/containers/create",
                    R"({"Image":"drydock/base","Healthcheck":{"Test":["SHOUT","x"]}})")
              .status == 400);
    CHECK(daemon
              .call("POST", "/containers/create",
                    R"({"Image":"drydock/base","Healthcheck":{"Interval":5}})")
              .status == 400);
}

TEST_CASE("docker: pause, top, stats, update, events and restart by its command line",
          "[07][docker]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    const auto docker = [&](const std::string& arguments) {
        return run_program({"sh", "-c",
                            "exec docker -H unix://" + daemon.socket().native() + " " + arguments +
                                " </dev/null"});
    };
    CHECK(docker("run -d --name web --restart on-failure:3 --health-cmd true --health-interval 1s "
                 "drydock/base sleep 1000")
              .status == 0);
    CHECK(docker("pause web").out == "web\n");
    CHECK_THAT(docker("ps").out, ContainsSubstring("(Paused)"));
    CHECK(docker("unpause web").out == "web\n");
    CHECK_THAT(docker("top web").out, ContainsSubstring("sleep 1000"));
    CHECK_THAT(docker("stats --no-stream --format '{{.Name}} {{.MemPerc}} {{.PIDs}}'").out,
               ContainsSubstring("web 0."));
    CHECK(docker("update --memory 64m --memory-swap 64m --restart always web").out == "web\n");
    CHECK(
        docker("inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}}' web").out ==
        "always 67108864\n");
    CHECK(docker("restart -t 0 web").out == "web\n");
    // Its times are whole seconds.
    CHECK(soon([&] {
        return docker(
                   "events --since 1m --until 0s --filter event=restart --format "
                   "'{{.Action}} {{.Actor.Attributes.name}}'")
                   .out == "restart web\n";
    }));
    CHECK(docker("rm -f web").status == 0);
}
