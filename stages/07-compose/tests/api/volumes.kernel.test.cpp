// Volumes, binds and tmpfs, by the API and by the docker command line.
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json with_binds(const std::vector<std::string>& binds) {
    return {{"HostConfig", {{"Binds", binds}}}};
}
json with_mount(const json& mount) {
    return {{"HostConfig", {{"Mounts", json::array({mount})}}}};
}

/// Runs it to its end. @return what it wrote
std::string said(const TestDaemon& daemon, const std::string& script, const json& body) {
    const std::string id = daemon.run(script, body);
    static_cast<void>(daemon.wait(id));
    return daemon.logs(id);
}

int create_status(const TestDaemon& daemon, json body) {
    body["Image"] = "drydock/base";
    return daemon.call("POST", "/containers/create", body.dump()).status;
}

}  // namespace

TEST_CASE("volume: made, shown, listed, removed, making it again changes nothing",
          "[07][volumes]") {
    const TestDaemon daemon;
    const Reply made = daemon.call("POST", "/volumes/create",
                                   R"({"Name":"data","Driver":"local","Labels":{"a":"b"}})");
    CHECK(made.status == 201);
    CHECK(made.json()["Driver"] == "local");
    CHECK(made.json()["Scope"] == "local");
    const fs::path directory = made.json()["Mountpoint"].get<std::string>();
    CHECK(fs::is_directory(directory));
    std::ofstream(directory / "kept") << "x";
    CHECK(daemon.call("POST", "/volumes/create", R"({"Name":"data"})").status == 201);
    CHECK(fs::exists(directory / "kept"));
    CHECK(daemon.get("/volumes/data").json()["Labels"]["a"] == "b");
    const json list = daemon.get("/volumes").json();
    CHECK(list["Volumes"].size() == 1);
    CHECK(list["Warnings"].is_null());
    CHECK(daemon.get("/volumes?filters=%7B%22label%22%3A%5B%22a%3Dc%22%5D%7D")
              .json()["Volumes"]
              .empty());
    CHECK(daemon.get("/volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D")
              .json()["Volumes"]
              .size() == 1);
    CHECK(daemon.get("/volumes?filters=%7B%22x%22%3A%5B%22y%22%5D%7D").status == 400);
    CHECK(daemon.call("DELETE", "/volumes/data").status == 204);
    CHECK_FALSE(fs::exists(directory));
    CHECK(daemon.call("DELETE", "/volumes/data").status == 404);
    CHECK(daemon.call("DELETE", "/volumes/data?force=1").status == 204);
    CHECK_THAT(daemon.get("/volumes/data").json()["message"].get<std::string>(),
               ContainsSubstring("get data: no such volume"));
    for (const char* name : {"x", "../x", "a/b", "-ab"}) {
        CHECK(daemon.call("POST", "/volumes/create", json{{"Name", name}}.dump()).status == 400);
    }
    CHECK(fs::is_empty(daemon.data_root() / "trash"));
}

TEST_CASE("volume: what one container writes the next one reads, in use it stays",
          "[07][volumes]") {
    TestDaemon daemon;
    CHECK(said(daemon, "echo written > /data/file", with_binds({"shared:/data"})).empty());
    const std::string reader = daemon.run("cat /data/file", with_binds({"shared:/data:ro"}));
    CHECK(daemon.wait(reader) == 0);
    CHECK(daemon.logs(reader) == "written\n");
    const json mount = daemon.get("/containers/" + reader + "/json").json()["Mounts"][0];
    CHECK(mount["Type"] == "volume");
    CHECK(mount["Name"] == "shared");
    CHECK(mount["Destination"] == "/data");
    CHECK(mount["RW"] == false);
    CHECK(mount["Driver"] == "local");
    CHECK(daemon.get("/containers/json?all=1").json()[0]["Mounts"].size() == 1);
    CHECK(daemon.get("/containers/" + reader + "/json").json()["HostConfig"]["Binds"][0] ==
          "shared:/data:ro");
    const Reply refused = daemon.call("DELETE", "/volumes/shared");
    CHECK(refused.status == 409);
    CHECK_THAT(
        refused.json()["message"].get<std::string>(),
        ContainsSubstring("remove shared: volume is in use - [") && ContainsSubstring(reader));
    CHECK(daemon.end(SIGTERM) == 0);
    daemon.start();
    CHECK(daemon.call("DELETE", "/volumes/shared").status == 409);
    CHECK(daemon.get("/volumes/shared").status == 200);
}

TEST_CASE("volume: one that is read-only takes no writing", "[07][volumes]") {
    const TestDaemon daemon;
    CHECK_THAT(said(daemon, "echo x > /data/file", with_binds({"v1:/data:ro"})),
               ContainsSubstring("Read-only file system"));
    CHECK_THAT(
        said(daemon, "echo x > /data/file",
             with_mount(
                 {{"Type", "volume"}, {"Source", "v1"}, {"Target", "/data"}, {"ReadOnly", true}})),
        ContainsSubstring("Read-only file system"));
}

TEST_CASE("volume: an anonymous one goes with its container only when that is asked for",
          "[07][volumes]") {
    const TestDaemon daemon;
    const auto count = [&] { return daemon.get("/volumes").json()["Volumes"].size(); };
    const json body = {{"Volumes", {{"/data", json::object()}}}};
    const std::string kept = daemon.create("true", body);
    CHECK(count() == 1);
    const json inspected = daemon.get("/containers/" + kept + "/json").json();
    CHECK(inspected["Mounts"][0]["Name"].get<std::string>().size() == 64);
    CHECK(inspected["Config"]["Volumes"].contains("/data"));
    CHECK(daemon.call("DELETE", "/containers/" + kept).status == 204);
    CHECK(count() == 1);
    const std::string gone = daemon.create("true", body);
    CHECK(count() == 2);
    CHECK(daemon.call("DELETE", "/containers/" + gone + "?v=1").status == 204);
    CHECK(count() == 1);
    json removed_at_end = body;
    removed_at_end["HostConfig"]["AutoRemove"] = true;
    const std::string brief = daemon.run("true", removed_at_end);
    CHECK(soon([&] { return daemon.get("/containers/" + brief + "/json").status == 404; }));
    CHECK(soon([&] { return count() == 1; }));
    json named = with_binds({"named:/data"});
    const std::string last = daemon.create("true", named);
    CHECK(daemon.call("DELETE", "/containers/" + last + "?v=1").status == 204);
    CHECK(count() == 2);
    const json pruned = daemon.call("POST", "/volumes/prune").json();
    CHECK(pruned["VolumesDeleted"].size() == 1);
    CHECK(daemon.get("/volumes/named").status == 200);
    CHECK(daemon.call("POST", "/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D")
              .json()["VolumesDeleted"][0] == "named");
}

TEST_CASE("volume: an empty one begins with what the image has there, owner and mode included",
          "[07][volumes]") {
    const TestDaemon daemon;
    const json binds = with_binds({"etc:/etc"});
    CHECK_THAT(said(daemon, "cat /etc/passwd", binds), ContainsSubstring("root"));
    CHECK(said(daemon, "echo changed > /etc/passwd", binds).empty());
    CHECK(said(daemon, "cat /etc/passwd", binds) == "changed\n");
    CHECK_THAT(said(daemon, "ls /etc", with_binds({"bare:/etc:nocopy"})),
               !ContainsSubstring("passwd"));
    CHECK(said(daemon, "stat -c %a /tmp", {}) ==
          said(daemon, "stat -c %a /tmp", with_binds({"tmp:/tmp"})));
}

TEST_CASE("bind: a directory of the host, its source made for Binds and demanded for Mounts",
          "[07][volumes]") {
    const TestDaemon daemon;
    const drydock::TempDir host("drydock-bind-");
    std::ofstream(host.path() / "in") << "from the host\n";
    const std::string source = host.path();
    CHECK(said(daemon, "cat /mnt/in; echo out > /mnt/out", with_binds({source + ":/mnt"})) ==
          "from the host\n");
    CHECK(drydock::read_file(host.path() / "out") == "out\n");
    CHECK(said(daemon, "cat /file", with_binds({source + "/in:/file:ro"})) == "from the host\n");
    CHECK_THAT(said(daemon, "echo x > /mnt/no", with_binds({source + ":/mnt:ro"})),
               ContainsSubstring("Read-only file system"));
    const std::string id = daemon.create("true", with_binds({source + "/new/deep:/mnt"}));
    CHECK(fs::is_directory(host.path() / "new" / "deep"));
    const json mount = daemon.get("/containers/" + id + "/json").json()["Mounts"][0];
    CHECK(mount["Type"] == "bind");
    CHECK(mount["Source"] == source + "/new/deep");
    CHECK(mount["Propagation"] == "rprivate");
    json missing = with_mount({{"Type", "bind"}, {"Source", source + "/none"}, {"Target", "/mnt"}});
    missing["Image"] = "drydock/base";
    const Reply refused = daemon.call("POST", "/containers/create", missing.dump());
    CHECK(refused.status == 400);
    CHECK(refused.json()["message"] ==
          "invalid mount config for type \"bind\": bind source path does not exist: " + source +
              "/none");
    CHECK_FALSE(fs::exists(host.path() / "none"));
}

TEST_CASE("bind: what is mounted on the host later is seen with rslave only", "[07][volumes]") {
    const TestDaemon daemon;
    const drydock::TempDir host("drydock-bind-");
    const std::string source = host.path();
    const std::string id = daemon.run("sleep 1000", with_binds({source + ":/mnt:rslave"}));
    const int pid = daemon.state(id)["Pid"];
    const std::string mounts = drydock::read_file("/proc/" + std::to_string(pid) + "/mountinfo");
    CHECK_THAT(mounts, ContainsSubstring(" /mnt "));
    CHECK(daemon.get("/containers/" + id + "/json").json()["Mounts"][0]["Propagation"] == "rslave");
}

TEST_CASE("bind: read-only is what is mounted below it as well", "[07][volumes]") {
    const TestDaemon daemon;
    const drydock::TempDir host("drydock-bind-");
    const fs::path below = host.path() / "below";
    fs::create_directory(below);
    REQUIRE(::mount("tmpfs", below.c_str(), "tmpfs", 0, "size=64k") == 0);
    const std::string source = host.path();
    const std::string script =
        "echo x 2>/dev/null >/mnt/above && echo above; echo x 2>/dev/null >/mnt/below/file && echo "
        "below; true";
    const auto writes = [&](const json& options) {
        return said(daemon, script,
                    with_mount({{"Type", "bind"},
                                {"Source", source},
                                {"Target", "/mnt"},
                                {"ReadOnly", true},
                                {"BindOptions", options}}));
    };
    CHECK(said(daemon, script, with_binds({source + ":/mnt:ro"})).empty());
    CHECK(writes(json::object()).empty());
    CHECK(writes({{"ReadOnlyForceRecursive", true}}).empty());
    CHECK(writes({{"NonRecursive", true}}).empty());
    for (const json& wrong : {json{{"ReadOnlyForceRecursive", true}, {"NonRecursive", true}},
                              json{{"ReadOnlyForceRecursive", "yes"}}}) {
        CHECK(create_status(daemon, with_mount({{"Type", "bind"},
                                                {"Source", source},
                                                {"Target", "/mnt"},
                                                {"ReadOnly", true},
                                                {"BindOptions", wrong}})) == 400);
    }
    CHECK(create_status(daemon, with_mount({{"Type", "bind"},
                                            {"Source", source},
                                            {"Target", "/mnt"},
                                            {"ReadOnly", true},
                                            {"BindOptions", {{"ReadOnlyNonRecursive", true}}}})) ==
          501);
    CHECK(::umount2(below.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("volume: a part of one is seen, and no link in it leads out of it", "[07][volumes]") {
    const TestDaemon daemon;
    const auto part = [](const std::string& subpath) {
        return with_mount({{"Type", "volume"},
                           {"Source", "data"},
                           {"Target", "/part"},
                           {"VolumeOptions", {{"Subpath", subpath}}}});
    };
    CHECK(said(daemon,
               "mkdir -p /data/a/b; echo deep > /data/a/b/file; echo top > /data/file; "
               "ln -s /etc /data/host; ln -s ../../../../.. /data/up; ln -s a/b /data/inside",
               with_binds({"data:/data"}))
              .empty());
    CHECK(said(daemon, "ls /part; cat /part/file; echo new > /part/new", part("a/b")) ==
          "file\ndeep\n");
    CHECK(said(daemon, "cat /part/new", part("inside")) == "new\n");
    CHECK(said(daemon, "cat /part", part("file")) == "top\n");
    // "/etc" and "../.." of the volume's own: the first is not there, the second is its root.
    CHECK(said(daemon, "ls /part/etc /part/file", part("up")).find("/part/file") !=
          std::string::npos);
    for (const char* missing : {"host", "none", "a/none"}) {
        const std::string id = daemon.create("true", part(missing));
        const Reply reply = daemon.call("POST", "/containers/" + id + "/start");
        CHECK(reply.status == 500);
        CHECK_THAT(reply.body, ContainsSubstring("volume data: its part"));
        CHECK(daemon.state(id)["Running"] == false);
    }
    for (const char* wrong : {"/a", "../x", "a/../../x"}) {
        CHECK(create_status(daemon, part(wrong)) == 400);
    }
    // A container that starts again, and cp into one that does not run, find it as well.
    const std::string again = daemon.run("cat /part/file", part("a/b"));
    static_cast<void>(daemon.wait(again));
    CHECK(daemon.call("POST", "/containers/" + again + "/start").status == 204);
    static_cast<void>(daemon.wait(again));
    CHECK(daemon.logs(again) == "deep\ndeep\n");
    CHECK_THAT(daemon.get("/containers/" + again + "/archive?path=/part/file").body,
               ContainsSubstring("deep\n"));
    CHECK(daemon.get("/containers/" + again + "/json").json()["Mounts"][0]["Name"] == "data");
    // Nothing is left of how they got there.
    CHECK_THAT(drydock::read_file("/proc/self/mountinfo"),
               !ContainsSubstring(daemon.run_root().native() + "/shared"));
    std::error_code nothing;
    for (const auto& entry : fs::recursive_directory_iterator(daemon.run_root(), nothing)) {
        CHECK_THAT(entry.path().native(), !ContainsSubstring("volume-"));
    }
}

TEST_CASE("tmpfs: of the size and mode that was asked for", "[07][volumes]") {
    const TestDaemon daemon;
    CHECK_THAT(said(daemon, "grep ' /scratch ' /proc/mounts",
                    {{"HostConfig", {{"Tmpfs", {{"/scratch", "size=1m,mode=1770"}}}}}}),
               ContainsSubstring("tmpfs") && ContainsSubstring("size=1024k") &&
                   ContainsSubstring("mode=1770") && ContainsSubstring("noexec"));
    CHECK_THAT(said(daemon, "grep ' /scratch ' /proc/mounts",
                    with_mount({{"Type", "tmpfs"},
                                {"Target", "/scratch"},
                                {"TmpfsOptions", {{"SizeBytes", 2 << 20}, {"Mode", 0700}}}})),
               ContainsSubstring("size=2048k") && ContainsSubstring("mode=700"));
}

TEST_CASE("volumes-from: takes over the other's, read-only if so asked", "[07][volumes]") {
    const TestDaemon daemon;
    const std::string first = daemon.run("echo mine > /data/file; sleep 1000",
                                         {{"Volumes", {{"/data", json::object()}}}}, "first");
    REQUIRE(soon([&] {
        return fs::exists("/proc/" + std::to_string(daemon.state(first)["Pid"].get<int>()) +
                          "/root/data/file");
    }));
    CHECK(said(daemon, "cat /data/file", {{"HostConfig", {{"VolumesFrom", {"first"}}}}}) ==
          "mine\n");
    CHECK_THAT(
        said(daemon, "echo x > /data/file", {{"HostConfig", {{"VolumesFrom", {"first:ro"}}}}}),
        ContainsSubstring("Read-only file system"));
    CHECK(create_status(daemon, {{"HostConfig", {{"VolumesFrom", {"nobody"}}}}}) == 400);
}

TEST_CASE("volume: type=none,o=bind is a directory of the host, other file systems are refused",
          "[07][volumes]") {
    const TestDaemon daemon;
    const drydock::TempDir host("drydock-bind-");
    const std::string source = host.path();
    CHECK(daemon
              .call("POST", "/volumes/create",
                    json{{"Name", "dir"},
                         {"DriverOpts", {{"type", "none"}, {"o", "bind"}, {"device", source}}}}
                        .dump())
              .status == 201);
    CHECK(said(daemon, "echo here > /data/file", with_binds({"dir:/data"})).empty());
    CHECK(drydock::read_file(host.path() / "file") == "here\n");
    CHECK(daemon.call("DELETE", "/volumes/dir").status == 409);
    CHECK(daemon
              .call("POST", "/volumes/create",
                    R"({"Name":"net","DriverOpts":{"type":"nfs","o":"addr=x","device":":/y"}})")
              .status == 501);
    CHECK(fs::exists(host.path() / "file"));
}

TEST_CASE("mounts: what is no mount is refused, and no volume is left of it", "[07][volumes]") {
    const TestDaemon daemon;
    for (const char* bind : {"a:b", "/x:/", ":/x", "/x:/y:what", "a:/b:c:d", ""}) {
        CHECK(create_status(daemon, with_binds({bind})) == 400);
    }
    CHECK(create_status(daemon, with_binds({"v1:/data", "v2:/data"})) == 400);
    CHECK(create_status(daemon, with_mount({{"Type", "magic"}, {"Target", "/x"}})) == 400);
    CHECK(create_status(daemon, with_mount({{"Type", "bind"}, {"Target", "/x"}})) == 400);
    CHECK(create_status(daemon, with_mount({{"Type", "volume"}})) == 400);
    json never = with_binds({"/nonexistent-parent:/x:ro"});
    never["HostConfig"]["Mounts"] =
        json::array({{{"Type", "bind"}, {"Source", "/no/such/place"}, {"Target", "/y"}}});
    never["Volumes"] = {{"/anonymous", json::object()}};
    CHECK(create_status(daemon, never) == 400);
    fs::remove("/nonexistent-parent");
    CHECK(daemon.get("/volumes").json()["Volumes"].empty());
    CHECK(daemon.get("/containers/json?all=1").json().empty());
}

TEST_CASE("docker: volumes by its command line", "[07][docker]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    const auto docker = [&](const std::string& arguments) {
        return run_program({"sh", "-c",
                            "exec docker -H unix://" + daemon.socket().native() + " " + arguments +
                                " </dev/null"});
    };
    CHECK(docker("volume create --label a=b keep").out == "keep\n");
    CHECK(docker("run --rm -v keep:/data drydock/base sh -c 'echo hi > /data/x'").status == 0);
    CHECK(docker("run --rm --mount type=volume,src=keep,dst=/d,ro drydock/base cat /d/x").out ==
          "hi\n");
    CHECK(docker("run --rm --tmpfs /t:size=1m drydock/base df /t").status == 0);
    CHECK_THAT(docker("volume ls").out, ContainsSubstring("keep"));
    CHECK(docker("volume inspect -f '{{.Labels.a}}' keep").out == "b\n");
    CHECK(docker("volume rm keep").out == "keep\n");
    CHECK(docker("volume rm keep").status == 1);
    CHECK(docker("volume prune -f").status == 0);
}
