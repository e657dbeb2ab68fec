// The verbs about containers that run, volumes and the disk, as a user types them.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/skip.hpp"

#include "cli/own_daemon.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::OwnDaemon;

namespace {

/// Started by the first command, for all tests here.
const OwnDaemon& verbs_daemon() {
    static const OwnDaemon daemon;
    return daemon;
}
Outcome say(const std::vector<std::string>& arguments) {
    return verbs_daemon().run(arguments);
}

}  // namespace

TEST_CASE("pause, unpause, top, update, stats: of a container that runs", "[07][cli][kernel]") {
    REQUIRE(say({"run", "-d", "--name", "web", "--restart", "unless-stopped", "drydock/base",
                 "sleep", "1000"})
                .status == 0);
    CHECK(say({"pause", "web"}).out == "web\n");
    CHECK(say({"pause", "web"}).status == 1);
    CHECK(say({"ps", "--filter", "status=paused", "--format", "{{.Names}}"}).out == "web\n");
    CHECK(say({"unpause", "web"}).out == "web\n");
    CHECK_THAT(say({"top", "web"}).out,
               ContainsSubstring("CMD") && ContainsSubstring("sleep 1000"));
    CHECK_THAT(say({"top", "web", "aux"}).out, ContainsSubstring("USER"));
    CHECK(say({"update", "--memory", "32m", "--memory-swap", "32m", "--restart", "on-failure:2",
               "web"})
              .out == "web\n");
    CHECK(say({"inspect", "-f", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}}", "web"})
              .out == "on-failure 33554432\n");
    CHECK_THAT(say({"stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "web"}).out,
               ContainsSubstring("web ") && ContainsSubstring("/ 32MiB"));
    CHECK(say({"run", "--rm", "--restart", "always", "drydock/base", "true"}).status == 125);
    CHECK(say({"run", "--restart", "maybe", "drydock/base", "true"}).status == 125);
    CHECK(say({"rm", "-f", "web"}).status == 0);
}

TEST_CASE("events: what happened, between two times, by filter", "[07][cli][kernel]") {
    CHECK(say({"run", "--name", "seen", "drydock/base", "false"}).status == 1);
    ::sleep(1);
    CHECK(say({"events", "--since", "1m", "--until", "0s", "--filter", "container=seen", "--filter",
               "event=die", "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}"})
              .out == "die 1\n");
    CHECK(say({"rm", "seen"}).status == 0);
}

TEST_CASE("volume: create, ls, inspect, rm, and -v, --mount, --tmpfs, --volumes-from",
          "[07][cli][kernel]") {
    CHECK(say({"volume", "create", "--label", "a=b", "keep"}).out == "keep\n");
    CHECK(say({"run", "--name", "writer", "-v", "keep:/data", "drydock/base", "sh", "-c",
               "echo hi > /data/x"})
              .status == 0);
    CHECK(say({"run", "--rm", "--mount", "type=volume,src=keep,dst=/d,ro", "drydock/base", "cat",
               "/d/x"})
              .out == "hi\n");
    CHECK(
        say({"run", "--rm", "--volumes-from", "writer:ro", "drydock/base", "cat", "/data/x"}).out ==
        "hi\n");
    CHECK_THAT(say({"run", "--rm", "--tmpfs", "/t:size=1m", "drydock/base", "df", "/t"}).out,
               ContainsSubstring("1024"));
    const fs::path host = verbs_daemon().directory() / "bound";
    fs::create_directories(host);
    CHECK(say({"run", "--rm", "-v", host.native() + ":/h", "drydock/base", "touch", "/h/made"})
              .status == 0);
    CHECK(fs::exists(host / "made"));
    CHECK(say({"volume", "ls", "-q"}).out == "keep\n");
    CHECK(say({"volume", "inspect", "-f", "{{.Labels.a}}", "keep"}).out == "b\n");
    CHECK(say({"volume", "rm", "keep"}).status == 1);
    CHECK(say({"rm", "writer"}).status == 0);
    CHECK(say({"volume", "rm", "keep"}).out == "keep\n");
    CHECK(say({"volume", "rm", "keep"}).status == 1);
    CHECK(say({"volume", "sing"}).status == 125);
    CHECK_THAT(say({"volume", "prune", "-f"}).out, ContainsSubstring("Total reclaimed space: 0B"));
}

TEST_CASE("diff, export, commit, system df, container prune", "[07][cli][kernel]") {
    // With sanitizers the program is not static, and cannot start inside.
    const char* init = drydock::testing::kSanitized ? "--init=false" : "--init";
    CHECK(
        say({"run", "--name", "work", init, "drydock/base", "sh", "-c", "echo x > /made"}).status ==
        0);
    CHECK_THAT(say({"diff", "work"}).out, ContainsSubstring("A /made\n"));
    const std::string archive = verbs_daemon().directory() / "work.tar";
    CHECK(say({"export", "-o", archive, "work"}).status == 0);
    CHECK(fs::file_size(archive) > 100'000);
    CHECK_THAT(
        say({"commit", "-m", "note", "-c", "CMD [\"cat\", \"/made\"]", "work", "made:1"}).out,
        ContainsSubstring("sha256:"));
    CHECK(say({"run", "--rm", "made:1"}).out == "x\n");
    CHECK_THAT(say({"system", "df"}).out,
               ContainsSubstring("Images") && ContainsSubstring("Local Volumes"));
    CHECK_THAT(say({"container", "prune", "-f"}).out, ContainsSubstring("Deleted Containers:"));
    CHECK(say({"container", "ls", "-aq"}).out.empty());
    CHECK_THAT(say({"image", "ls"}).out, ContainsSubstring("made"));
    CHECK(say({"image", "rm", "made:1"}).status == 0);
}

TEST_CASE("health: --health-cmd, and what ps says of it", "[07][cli][kernel]") {
    CHECK(say({"run", "-d", "--name", "well", "--health-cmd", "true", "--health-interval", "50ms",
               "drydock/base", "sleep", "100"})
              .status == 0);
    std::string status;
    for (int i = 0; i < 100 && status.find("(healthy)") == std::string::npos; ++i) {
        ::usleep(50'000);
        status = say({"ps", "--filter", "name=well", "--format", "{{.Status}}"}).out;
    }
    CHECK_THAT(status, ContainsSubstring("(healthy)"));
    CHECK(say({"rm", "-f", "well"}).status == 0);
}

TEST_CASE("cp: both ways, a file, a directory, its content, and into one that does not run",
          "[07][cli][kernel]") {
    const fs::path files = verbs_daemon().directory() / "files";
    fs::create_directories(files / "dir" / "sub");
    std::ofstream(files / "dir" / "sub" / "a") << "one\n";
    fs::create_symlink("sub/a", files / "dir" / "link");
    const std::string dir = files / "dir";
    CHECK(say({"create", "--name", "box", "drydock/base", "cat", "/new/sub/a", "/etc/dir/link"})
              .status == 0);
    CHECK(say({"cp", dir, "box:/new"}).status == 0);
    CHECK(say({"cp", dir, "box:/etc"}).status == 0);
    CHECK(say({"cp", dir + "/sub/a", "box:/etc/b"}).status == 0);
    CHECK(say({"cp", dir + "/.", "box:/tmp"}).status == 0);
    CHECK(say({"cp", dir, "box:/etc/passwd"}).status == 125);
    CHECK(say({"cp", "box:/nothing", files.native()}).status == 1);
    CHECK(say({"cp", dir, files.native()}).status == 125);
    CHECK(say({"start", "-a", "box"}).out == "one\none\n");
    CHECK(say({"cp", "box:/tmp/sub/a", (files / "back").native()}).status == 0);
    CHECK(drydock::read_file(files / "back") == "one\n");
    CHECK(say({"cp", "box:/etc/dir", (files / "made").native()}).status == 0);
    CHECK(drydock::read_file(files / "made" / "sub" / "a") == "one\n");
    CHECK(fs::is_symlink(files / "made" / "link"));
    CHECK(say({"cp", "box:/etc/dir", (files / "made").native()}).status == 0);
    CHECK(drydock::read_file(files / "made" / "dir" / "link") == "one\n");
    CHECK(say({"cp", "box:/etc/dir/.", (files / "made").native()}).status == 0);
    CHECK(say({"cp", "box:/etc/b", "-"}).out.size() >= 1024);
    CHECK(say({"rm", "box"}).status == 0);
}
