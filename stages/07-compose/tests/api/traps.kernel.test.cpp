// What other engines got wrong, and clients fell over: those traps that no
// other test here is about.
#include <string>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;

TEST_CASE("trap: old clients are served: 1.12, 1.24, 1.32", "[07][traps]") {
    const TestDaemon daemon;
    for (const char* version : {"/v1.12", "/v1.24", "/v1.32"}) {
        CAPTURE(version);
        CHECK(daemon.get(std::string(version) + "/containers/json").status == 200);
    }
    CHECK(daemon.get("/v1.11/containers/json").status == 400);
}

TEST_CASE("trap: IDs of images carry sha256: wherever they are", "[07][traps]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("true");
    const std::string sha = "sha256:";
    CHECK(daemon.get("/images/json").json()[0]["Id"].get<std::string>().starts_with(sha));
    CHECK(daemon.get("/images/drydock/base/json").json()["Id"].get<std::string>().starts_with(sha));
    CHECK(daemon.get("/containers/json?all=1")
              .json()[0]["ImageID"]
              .get<std::string>()
              .starts_with(sha));
    CHECK(daemon.get("/containers/" + id + "/json")
              .json()["Image"]
              .get<std::string>()
              .starts_with(sha));
    CHECK(daemon.get("/images/drydock/base/json").json().contains("ContainerConfig"));
}

TEST_CASE("trap: inspect has an array for the entrypoint, a text for the stop signal",
          "[07][traps]") {
    const TestDaemon daemon;
    const json made = daemon
                          .call("POST", "/containers/create",
                                R"({"Image":"drydock/base","Entrypoint":"sh","Cmd":"-c",
                                    "StopSignal":"SIGINT"})")
                          .json();
    const json config =
        daemon.get("/containers/" + made["Id"].get<std::string>() + "/json").json()["Config"];
    CHECK(config["Entrypoint"] == json({"sh"}));
    CHECK(config["Cmd"] == json({"-c"}));
    CHECK(config["StopSignal"] == "SIGINT");
}

TEST_CASE("trap: filters by states that are rare are no error", "[07][traps]") {
    const TestDaemon daemon;
    for (const char* state : {"dead", "restarting", "removing", "paused"}) {
        CAPTURE(state);
        const Reply reply = daemon.get(std::string("/containers/json?filters=%7B%22status%22%3A%5B%"
                                                   "22") +
                                       state + "%22%5D%7D");
        CHECK(reply.status == 200);
        CHECK(reply.json().empty());
    }
    CHECK(daemon.get("/containers/json?filters=%7B%22status%22%3A%5B%22odd%22%5D%7D").status ==
          400);
}

TEST_CASE("trap: HostConfig comes back as it was given", "[07][traps]") {
    const TestDaemon daemon;
    const json host = {{"Binds", {"data:/data:rw"}},
                       {"RestartPolicy", {{"Name", "on-failure"}, {"MaximumRetryCount", 2}}},
                       {"Tmpfs", {{"/t", "size=1m"}}},
                       {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "1m"}}}}}};
    const std::string id = daemon.create("true", {{"HostConfig", host}});
    const json shown = daemon.get("/containers/" + id + "/json").json()["HostConfig"];
    for (const auto& [key, value] : host.items()) {
        CAPTURE(key);
        CHECK(shown[key] == value);
    }
}
