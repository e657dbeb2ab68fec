// drydock-runtime from outside.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"
#include "03-cgroups/runtime_process.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "bundle_fixture.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using namespace drydock::testing;

namespace {

std::string unique_id() {
    static int count = 0;
    return "rt-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

nlohmann::json state_of(const BundleFixture& fixture, const std::string& id) {
    const Outcome outcome = run_program(fixture.runtime({"state", id}));
    return outcome.status == 0 ? nlohmann::json::parse(outcome.out) : nlohmann::json();
}

/// A container that runs in the background, in drydock-runtime run.
Child start_in_background(const BundleFixture& fixture, const std::string& id) {
    Child child = start_program(fixture.runtime({"run", "-b", fixture.bundle().native(), id}));
    REQUIRE(becomes_true([&] {
        const nlohmann::json state = state_of(fixture, id);
        return !state.is_null() && state.at("status") == "running";
    }));
    return child;
}

}  // namespace

TEST_CASE("drydock-runtime: a bundle as runc spec writes it runs", "[03][runtime]") {
    const BundleFixture fixture(
        {.args = shell("id; hostname; touch /x; grep -E 'Cap(Eff|Bnd)|NoNew' /proc/self/status"),
         .terminal = "false"});
    const std::string id = unique_id();
    const Outcome outcome = fixture.run(id);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out,
               ContainsSubstring("uid=0(root) gid=0(root)") && ContainsSubstring("\nrunc\n"));
    CHECK_THAT(outcome.out, ContainsSubstring("CapEff:\t0000000020000420") &&
                                ContainsSubstring("CapBnd:\t0000000020000420"));
    CHECK_THAT(outcome.out, ContainsSubstring("NoNewPrivs:\t1"));
    CHECK_THAT(outcome.err, ContainsSubstring("Read-only file system"));
    CHECK(cgroups_named(id).empty());
    CHECK(!fs::exists(fixture.root() / id));
}

TEST_CASE("drydock-runtime: the container sees its cgroups read-only, as the root of their trees",
          "[03][runtime]") {
    const BundleFixture fixture(
        {.args = shell("cat /proc/self/cgroup; touch /sys/fs/cgroup/x; find /sys/fs/cgroup -name "
                       "release_agent; "
                       "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo 0 > $f && echo "
                       "WRITABLE; done"),
         .terminal = "false"});
    const Outcome outcome = fixture.run(unique_id());
    CHECK_THAT(outcome.out, !ContainsSubstring("drydock"));
    CHECK_THAT(outcome.out, !ContainsSubstring("WRITABLE"));
    CHECK_THAT(outcome.out, !ContainsSubstring("release_agent"));
}

TEST_CASE("drydock-runtime: the command's exit status is its own", "[03][runtime]") {
    const auto status = [](const std::string& args) {
        return BundleFixture({.args = args, .terminal = "false"}).run(unique_id()).status;
    };
    CHECK(status(shell("exit 42")) == 42);
    CHECK(status(shell("kill -TERM $$; sleep 1")) != 125);
    CHECK(status(R"(["nosuch"])") == 127);
    CHECK(status(R"(["/etc/passwd"])") == 126);
}

TEST_CASE("drydock-runtime: limits of config.json hold, and an end for want of memory is said",
          "[03][runtime]") {
    const BundleFixture fixture(
        {.args = R"(["busybox", "tail", "/dev/zero"])",
         .terminal = "false",
         .resources_extra =
             R"("memory": {"limit": 16777216, "swap": 16777216}, "pids": {"limit": 20},)"});
    const Outcome outcome = fixture.run(unique_id());
    CHECK(outcome.status == 128 + SIGKILL);
    CHECK(outcome.err == "drydock-runtime: killed: out of memory (limit 16 MiB)\n");
}

TEST_CASE("drydock-runtime: a group of the bundle's own choice is used and removed",
          "[03][runtime]") {
    const std::string id = unique_id();
    const BundleFixture fixture({.args = shell("sleep 1000"),
                                 .terminal = "false",
                                 .linux_extra = R"("cgroupsPath": "/drydock/own-)" + id + R"(",)"});
    Child child = start_in_background(fixture, id);
    CHECK(!cgroups_named("own-" + id).empty());
    CHECK(run_program(fixture.runtime({"kill", id, "KILL"})).status == 0);
    CHECK(child.wait() == 128 + SIGKILL);
    CHECK(cgroups_named("own-" + id).empty());
}

TEST_CASE("drydock-runtime: cwd is made when it is missing, inside the root", "[03][runtime]") {
    const BundleFixture fixture({.args = shell("pwd"),
                                 .cwd = "/a/b",
                                 .terminal = "false",
                                 .root = R"({"path": "rootfs"})"});
    CHECK(fixture.run(unique_id()).out == "/a/b\n");
}

TEST_CASE("drydock-runtime: an overlay at / is mounted for the container only", "[03][runtime]") {
    const drydock::TempDir layers("layers");
    BundleFixture fixture;
    for (const char* name : {"upper", "work"}) {
        fs::create_directories(layers.path() / name);
    }
    const std::string lower = (fixture.bundle() / "rootfs").native();
    fs::create_directories(fixture.bundle() / "empty");
    fixture.write(spec_text(
        {.args = shell("echo hi > /new; ls /"),
         .terminal = "false",
         .mounts_extra =
             R"({"destination": "/", "type": "overlay", "source": "overlay", "options": ["lowerdir=)" +
             lower + ",upperdir=" + (layers.path() / "upper").native() +
             ",workdir=" + (layers.path() / "work").native() + R"("]},)",
         .root = R"({"path": "empty"})"}));
    const Outcome outcome = fixture.run(unique_id());
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, ContainsSubstring("new"));
    CHECK(drydock::read_file(layers.path() / "upper/new") == "hi\n");
    CHECK(fs::is_empty(fixture.bundle() / "empty"));
}

TEST_CASE("drydock-runtime: a namespace's sysctl is set in it, and only there", "[03][runtime]") {
    const std::string host = drydock::read_file("/proc/sys/net/ipv4/ip_forward");
    const BundleFixture fixture({.args = shell("cat /proc/sys/net/ipv4/ip_forward"),
                                 .terminal = "false",
                                 .linux_extra = R"("sysctl": {"net.ipv4.ip_forward": "1"},)"});
    CHECK(fixture.run(unique_id()).out == "1\n");
    CHECK(drydock::read_file("/proc/sys/net/ipv4/ip_forward") == host);
}

TEST_CASE("drydock-runtime: a filter of config.json decides about system calls", "[03][runtime]") {
    const BundleFixture fixture(
        {.args = shell("mkdir /tmp/x && echo made"),
         .terminal = "false",
         .linux_extra = R"("seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
             {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]},)",
         .root = R"({"path": "rootfs"})"});
    const Outcome outcome = fixture.run(unique_id());
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, ContainsSubstring("No space left on device"));
}

TEST_CASE("drydock-runtime: a network namespace is joined by its path", "[03][runtime]") {
    BundleFixture fixture;
    fixture.write(
        spec_text({.args = shell("readlink /proc/self/ns/net"),
                   .terminal = "false",
                   .namespaces = R"([{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},
                                               {"type":"network","path":"/proc/self/ns/net"}])"}));
    const Outcome outcome = fixture.run(unique_id());
    CHECK(outcome.out == fs::read_symlink("/proc/self/ns/net").native() + "\n");
}

TEST_CASE("drydock-runtime: state, list, kill and delete follow a container's life",
          "[03][runtime]") {
    const BundleFixture fixture(
        {.args = shell("trap 'exit 5' TERM; while :; do sleep 0.05; done"), .terminal = "false"});
    const std::string id = unique_id();
    Child child = start_in_background(fixture, id);
    const nlohmann::json state = state_of(fixture, id);
    CHECK(state.at("id") == id);
    CHECK(state.at("bundle") == fixture.bundle().native());
    CHECK(::kill(state.at("pid").get<int>(), 0) == 0);
    CHECK(run_program(fixture.runtime({"list", "-q"})).out == id + "\n");

    CHECK_THAT(fixture.run(id).err, ContainsSubstring("exists already"));
    const Outcome refused = run_program(fixture.runtime({"delete", id}));
    CHECK(refused.status == 1);
    CHECK_THAT(refused.err, ContainsSubstring("is running; stop it first"));
    CHECK_THAT(run_program(fixture.runtime({"kill", id, "NOSUCH"})).err,
               ContainsSubstring("signal \"NOSUCH\""));

    CHECK(run_program(fixture.runtime({"kill", id, "SIGTERM"})).status == 0);
    CHECK(child.wait() == 5);
    CHECK(state_of(fixture, id).is_null());
    CHECK_THAT(run_program(fixture.runtime({"kill", id})).err,
               ContainsSubstring("no such container"));
}

TEST_CASE("drydock-runtime: delete --force ends a container that runs, none is fine",
          "[03][runtime]") {
    const BundleFixture fixture({.args = shell("sleep 1000"), .terminal = "false"});
    const std::string id = unique_id();
    Child child = start_in_background(fixture, id);
    CHECK(run_program(fixture.runtime({"delete", "--force", id})).status == 0);
    CHECK(child.wait() == 128 + SIGKILL);
    CHECK(cgroups_named(id).empty());
    CHECK(run_program(fixture.runtime({"delete", "--force", id})).status == 0);
    CHECK(run_program(fixture.runtime({"delete", id})).status == 1);
}

TEST_CASE("drydock-runtime: kill -9 at any step leaves what delete --force cleans",
          "[03][runtime]") {
    const BundleFixture fixture({.args = shell("sleep 1000"), .terminal = "false"});
    for (const char* fault :
         {"cgroup:kill", "cgroup:kill-after", "clone:kill", "id-maps:kill", "id-maps:kill-after"}) {
        CAPTURE(fault);
        const std::string id = unique_id();
        CHECK(fixture.run(id, {std::string("DRYDOCK_FAIL=") + fault}).status == 128 + SIGKILL);
        CHECK(state_of(fixture, id).at("status") == "stopped");
        CHECK(run_program(fixture.runtime({"delete", "--force", id})).status == 0);
        CHECK(cgroups_named(id).empty());
        CHECK(!fs::exists(fixture.root() / id));
    }
}

TEST_CASE("drydock-runtime: the pid file says the first process", "[03][runtime]") {
    const BundleFixture fixture({.args = shell("sleep 1000"), .terminal = "false"});
    const std::string id = unique_id();
    const fs::path file = fixture.bundle() / "pid";
    Child child = start_program(
        fixture.runtime({"run", "-b", fixture.bundle().native(), "--pid-file", file.native(), id}));
    REQUIRE(becomes_true([&] { return fs::exists(file); }));
    const pid_t pid = std::stoi(drydock::read_file(file));
    CHECK(::kill(pid, SIGKILL) == 0);
    CHECK(child.wait() == 128 + SIGKILL);
}

TEST_CASE("drydock-runtime: bad input is one line and changes nothing", "[03][runtime]") {
    BundleFixture fixture;
    const auto error_of = [&](const std::string& id) {
        const Outcome outcome = fixture.run(id);
        CHECK(outcome.status == 125);
        CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
        return outcome.err;
    };
    fixture.write(spec_text({.terminal = "false"}));
    CHECK_THAT(error_of("../x"), ContainsSubstring("container ID \"../x\""));
    fixture.write("{");
    CHECK_THAT(error_of("x"), ContainsSubstring("config.json: parse error at line 1"));
    fixture.write(spec_text({.terminal = "false", .root = R"({"path": "nowhere"})"}));
    CHECK_THAT(error_of("x"),
               ContainsSubstring("/root/path") && ContainsSubstring("no such directory"));
    fixture.write(
        spec_text({.terminal = "false", .linux_extra = R"("cgroupsPath": "/a/../../b",)"}));
    CHECK_THAT(error_of("x"), ContainsSubstring("cgroup path \"/a/../../b\""));
    fixture.write(spec_text(
        {.terminal = "false", .mounts_extra = R"({"destination": "/x", "type": "nosuchfs"},)"}));
    CHECK_THAT(error_of("x"), ContainsSubstring("nosuchfs"));
    fs::remove(fixture.bundle() / "config.json");
    CHECK_THAT(error_of("x"), ContainsSubstring("config.json: no such file"));
    CHECK(cgroups_named("x").empty());
    CHECK((!fs::exists(fixture.root()) || fs::is_empty(fixture.root())));
}

TEST_CASE("run_bundle: gives the command's status and puts its output where it is told",
          "[03][runtime]") {
    ::setenv("DRYDOCK_PROGRAMS", program_path("drydock-runtime").parent_path().c_str(), 1);
    const BundleFixture fixture({.args = shell("cat; echo err >&2; exit 9"), .terminal = "false"});
    drydock::Pipe out = drydock::make_pipe();
    drydock::Pipe err = drydock::make_pipe();
    const int status = drydock::run_bundle({.bundle = fixture.bundle(),
                                            .id = unique_id(),
                                            .runtime_root = fixture.root(),
                                            .stdout_fd = out.write.get(),
                                            .stderr_fd = err.write.get()});
    out.write.close();
    err.write.close();
    CHECK(status == 9);
    CHECK(drydock::read_all(out.read.get(), 4096, "out").empty());
    CHECK(drydock::read_all(err.read.get(), 4096, "err") == "err\n");
}
