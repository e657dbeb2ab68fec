#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>

#include "testing/catch.hpp"
#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::HttpRequestUnderWay;
using drydock::testing::Reply;
using drydock::testing::TestDaemon;
using nlohmann::json;

TEST_CASE("daemon: every answer carries the headers clients read", "[07][api]") {
    const TestDaemon daemon;
    const Reply ping = daemon.get("/_ping");
    CHECK(ping.body == "OK");
    for (const char* target :
         {"/_ping", "/v1.24/version", "/nothing", "/v1.99/info", "/networks"}) {
        CAPTURE(target);
        Reply reply = daemon.get(target);
        CHECK(reply.headers["api-version"] == "1.44");
        CHECK(reply.headers["ostype"] == "linux");
        CHECK_THAT(reply.headers["server"], ContainsSubstring("Docker/"));
    }
    Reply head = daemon.call("HEAD", "/_ping");
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    CHECK(head.headers["builder-version"] == "1");
}

TEST_CASE("daemon: errors are docker's JSON with docker's content type", "[07][api]") {
    const TestDaemon daemon;
    Reply unknown = daemon.get("/nothing");
    CHECK(unknown.status == 404);
    CHECK(unknown.headers["content-type"] == "application/json");
    CHECK(unknown.json()["message"] == "page not found");
    CHECK(daemon.get("/v1.99/info").status == 400);
    CHECK(daemon.get("/containers/nobody/json").json()["message"] == "No such container: nobody");
    CHECK(daemon.get("/images/nothing/json").json()["message"] == "No such image: nothing:latest");
    CHECK(daemon.get("/session").status == 501);
    CHECK(daemon.get("/session").json()["message"] ==
          "not implemented: BuildKit; use DOCKER_BUILDKIT=0");
    CHECK(daemon.get("/networks/x").status == 404);
    CHECK(daemon.get("/services").status == 503);
}

TEST_CASE("daemon: one that waits holds less than 12 MiB", "[07][api]") {
    if (drydock::testing::kSanitized) {
        drydock::testing::skip_test("a program with sanitizers is larger");
        return;
    }
    const TestDaemon daemon;
    std::ifstream status("/proc/" + std::to_string(daemon.pid()) + "/status");
    long resident_kib = 0;
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            resident_kib = std::stol(line.substr(6));
        }
    }
    CHECK(resident_kib > 0);
    CHECK(resident_kib < 12 * 1024);
}

TEST_CASE("ps -s, inspect -s: what a container wrote, and that with its image", "[07][ps]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("head -c 300000 /dev/zero > /file");
    CHECK(daemon.wait(id) == 0);
    const json listed = daemon.get("/containers/json?all=1&size=1").json()[0];
    const json inspected = daemon.get("/containers/" + id + "/json?size=1").json();
    for (const json& one : {listed, inspected}) {
        CHECK(one["SizeRw"] >= 300'000);
        CHECK(one["SizeRootFs"] > one["SizeRw"]);
    }
    CHECK_FALSE(daemon.get("/containers/" + id + "/json").json().contains("SizeRw"));
}

TEST_CASE("daemon: version and info have what clients parse", "[07][api]") {
    const TestDaemon daemon;
    CHECK(daemon.get("/version").json()["ApiVersion"] == "1.44");
    CHECK(daemon.get("/v1.30/version").json()["Os"] == "linux");
    const auto info = daemon.get("/info").json();
    CHECK(info["OSType"] == "linux");
    CHECK(info["NCPU"] > 0);
    CHECK(info["DockerRootDir"] == daemon.data_root().native());
    utsname machine{};
    struct sysinfo memory{};
    REQUIRE((::uname(&machine) == 0 && ::sysinfo(&memory) == 0));
    CHECK(info["KernelVersion"] == machine.release);
    CHECK(info["Architecture"] == machine.machine);
    CHECK(info["MemTotal"] == memory.totalram * memory.mem_unit);
    // Who shares the host's network has its name.
    const std::string id = daemon.create("true", {{"HostConfig", {{"NetworkMode", "host"}}}});
    CHECK(daemon.get("/containers/" + id + "/json").json()["Config"]["Hostname"] ==
          machine.nodename);
}

TEST_CASE("daemon: a body must be strictly one JSON object, said to be JSON", "[07][api]") {
    const TestDaemon daemon;
    for (const char* body : {"{", "[]", R"({"Image":"a","Image":"b"})", R"({"Image":"a"}{})",
                             "{\"Image\":\"\xff\"}"}) {
        CAPTURE(body);
        CHECK(daemon.call("POST", "/containers/create", body).status == 400);
    }
    const std::string padded = "{\"Image\":\"a\"" + std::string(std::size_t{5} << 20U, ' ') + "}";
    CHECK(daemon.call("POST", "/containers/create", padded).status == 413);
    HttpRequestUnderWay form(daemon.socket(), "POST", "/containers/create", "",
                             "Content-Type: text/plain\r\nContent-Length: 13\r\n");
    drydock::write_all(form.fd(), R"({"Image":"a"})", "body");
    CHECK(form.finish().status == 400);
}

TEST_CASE("daemon: creating a container of an image that is not there is 404", "[07][api]") {
    const TestDaemon daemon;
    const Reply reply = daemon.call("POST", "/containers/create", R"({"Image":"nothing"})");
    CHECK(reply.status == 404);
    CHECK(reply.json()["message"] == "No such image: nothing:latest");
}

TEST_CASE("daemon: its directories are its own, its socket is the group's", "[07][api]") {
    const TestDaemon daemon;
    const auto mode_of = [](const std::filesystem::path& path) {
        struct stat info{};
        REQUIRE(::stat(path.c_str(), &info) == 0);
        return info.st_mode & 0777U;
    };
    CHECK(mode_of(daemon.data_root()) == 0700);
    CHECK(mode_of(daemon.run_root()) == 0700);
    CHECK(mode_of(daemon.data_root() / "containers") == 0700);
    CHECK(mode_of(daemon.socket()) == 0660);
}

TEST_CASE("daemon: a second one on the same data root is refused, and the first goes on",
          "[07][api]") {
    const TestDaemon daemon;
    const auto second =
        drydock::testing::run_program({"drydock-daemon", "--data-root", daemon.data_root(),
                                       "--run-root", daemon.run_root() / "second"});
    CHECK(second.status == 125);
    CHECK_THAT(second.err, ContainsSubstring("another daemon has this data root"));
    CHECK(daemon.get("/_ping").status == 200);
}

TEST_CASE("daemon: SIGTERM and SIGINT end it with 0 and take the socket away", "[07][api]") {
    for (const int signal : {SIGTERM, SIGINT}) {
        TestDaemon daemon;
        CHECK(daemon.end(signal) == 0);
        CHECK_FALSE(std::filesystem::exists(daemon.socket()));
    }
}

TEST_CASE("daemon: the base image is there from the start", "[07][api]") {
    const TestDaemon daemon;
    const auto images = daemon.get("/images/json").json();
    REQUIRE(images.size() == 1);
    CHECK(images[0]["RepoTags"][0] == "drydock/base:latest");
    const auto image = daemon.get("/images/drydock/base/json").json();
    CHECK(image["Id"] == images[0]["Id"]);
    CHECK(image["ContainerConfig"].is_object());
    CHECK(daemon.get("/images/drydock/base/history").json().size() > 0);
    CHECK(
        daemon.call("POST", "/images/drydock/base/tag?repo=docker.io/library/mine&tag=2").status ==
        201);
    CHECK(daemon.get("/images/mine:2/json").json()["Id"] == image["Id"]);
    const auto removed = daemon.call("DELETE", "/images/mine:2").json();
    CHECK(removed == nlohmann::json::parse(R"([{"Untagged":"mine:2"}])"));
}

TEST_CASE("events: a network tells of its creation, its containers and its end", "[07][api]") {
    const TestDaemon daemon;
    CHECK(daemon.call("POST", "/networks/create", R"({"Name": "mine"})").status == 201);
    const std::string id = daemon.run("true", {{"HostConfig", {{"NetworkMode", "mine"}}}});
    CHECK(daemon.wait(id) == 0);
    const auto actions = [&] {
        std::string seen;
        const std::string filters = "%7B%22type%22%3A%5B%22network%22%5D%7D";
        const std::string lines =
            daemon.get("/events?until=1&since=0&filters=" + filters).body +
            daemon
                .get("/events?since=0&until=" + std::to_string(::time(nullptr) + 1) +
                     "&filters=" + filters)
                .body;
        for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
            const json event = json::parse(lines.substr(at, lines.find('\n', at) - at));
            CHECK(event["Actor"]["Attributes"]["name"] == "mine");
            seen += event["Action"].get<std::string>() + " ";
        }
        return seen;
    };
    CHECK(drydock::testing::soon([&] { return actions() == "create connect disconnect "; }));
    CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
    CHECK(daemon.call("DELETE", "/networks/mine").status == 204);
    CHECK(actions() == "create connect disconnect destroy ");
}

TEST_CASE("system df: images, containers with what they wrote, volumes with who uses them",
          "[07][df]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("head -c 100000 /dev/zero > /big; head -c 5000 /dev/zero > /v/x",
                   {{"HostConfig", {{"Binds", {"vol:/v"}}}}});
    CHECK(daemon.wait(id) == 0);
    const json use = daemon.get("/system/df").json();
    CHECK(use["LayersSize"].get<std::uint64_t>() > 100'000);
    REQUIRE(use["Images"].size() == 1);
    CHECK(use["Images"][0]["Containers"] == 1);
    REQUIRE(use["Containers"].size() == 1);
    CHECK(use["Containers"][0]["SizeRw"] == 100'000);
    REQUIRE(use["Volumes"].size() == 1);
    CHECK(use["Volumes"][0]["UsageData"]["Size"] == 5000);
    CHECK(use["Volumes"][0]["UsageData"]["RefCount"] == 1);
    CHECK(use["BuildCache"].is_array());
    CHECK(daemon.get("/system/df?type=volume").json()["Images"].is_null());
    CHECK(daemon.call("POST", "/containers/prune").json()["SpaceReclaimed"] == 100'000);
    CHECK(daemon.call("POST", "/build/prune").json()["SpaceReclaimed"] == 0);
}

}  // namespace
