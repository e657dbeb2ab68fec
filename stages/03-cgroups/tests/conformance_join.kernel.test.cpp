// What joins something that is there: a PID namespace, CPUs; and what is said about limits.
#include <sched.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"

#include "testing/catch.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

using nlohmann::json;
using namespace drydock::testing;

namespace {

pid_t pid_of(const Life& life) {
    return life.state().at("pid").get<pid_t>();
}

/// Root of a user namespace is somebody else on the host.
void let_others_in(const Life& life) {
    std::filesystem::permissions(life.fixture().bundle().parent_path(),
                                 std::filesystem::perms(0711));
}

std::string namespaces_with_pid_of(const Life& other) {
    return fmt::format(
        R"([{{"type":"pid","path":"/proc/{}/ns/pid"}},{{"type":"network"}},{{"type":"ipc"}},)"
        R"({{"type":"uts"}},{{"type":"mount"}}])",
        pid_of(other));
}

}  // namespace

TEST_CASE("config-linux.md, Namespaces: a PID namespace is joined by path", "[03][conformance]") {
    const Life owner(sleeping());
    owner.up();
    SpecParts parts = script(
        "readlink /proc/self/ns/pid; busybox ps -o comm | busybox wc -l; "
        "test $$ -ne 1 && echo joined");
    parts.namespaces = namespaces_with_pid_of(owner);
    const Life guest(parts);
    const Outcome outcome = guest.fixture().run(guest.id() + "-run");
    INFO(outcome.err);
    const std::string theirs =
        std::filesystem::read_symlink(fmt::format("/proc/{}/ns/pid", pid_of(owner)));
    CHECK_THAT(outcome.out, ContainsSubstring(theirs + "\n") && ContainsSubstring("joined\n"));
    CHECK(owner.status() == "running");
}

TEST_CASE("config-linux.md, Namespaces: who joined a PID namespace ends alone, as created too",
          "[03][conformance]") {
    const Life owner(sleeping());
    owner.up();
    SpecParts parts = sleeping();
    parts.namespaces = namespaces_with_pid_of(owner);
    const Life guest(parts);
    guest.up();
    CHECK(guest.status() == "running");
    CHECK(guest.exec({"true"}).status == 0);
    CHECK(guest("delete", {"--force"}).status == 0);
    CHECK(owner.status() == "running");
}

TEST_CASE("config-linux.md, Namespaces: a user namespace is joined by path, and owns the others",
          "[03][conformance]") {
    SpecParts mapped = sleeping();
    const std::string maps = R"([{"containerID": 0, "hostID": 100000, "size": 65536}])";
    mapped.linux_extra = R"("uidMappings": )" + maps + R"(, "gidMappings": )" + maps + ",";
    mapped.namespaces =
        R"([{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"user"}])";
    const Life owner(mapped);
    let_others_in(owner);
    owner.up();
    const std::string directory = fmt::format("/proc/{}/ns/", pid_of(owner));
    SpecParts parts = sleeping();
    parts.namespaces =
        fmt::format(R"([{{"type":"pid"}},{{"type":"ipc"}},{{"type":"uts"}},{{"type":"mount"}},)"
                    R"({{"type":"network","path":"{0}net"}},{{"type":"user","path":"{0}user"}}])",
                    directory);
    const Life guest(parts);
    let_others_in(guest);
    guest.up();
    const auto of = [](const Life& life, const char* name) {
        return std::filesystem::read_symlink(fmt::format("/proc/{}/ns/{}", pid_of(life), name));
    };
    CHECK(of(guest, "user") == of(owner, "user"));
    CHECK(of(guest, "net") == of(owner, "net"));
    for (const char* own : {"pid", "ipc", "uts", "mnt", "cgroup"}) {
        CAPTURE(own);
        CHECK(of(guest, own) != of(owner, own));
        CHECK(of(guest, own) !=
              std::filesystem::read_symlink(fmt::format("/proc/self/ns/{}", own)));
    }
    CHECK_THAT(drydock::read_file(fmt::format("/proc/{}/status", pid_of(guest))),
               ContainsSubstring("Uid:\t100000\t100000\t100000\t100000") &&
                   ContainsSubstring("Groups:\t \n"));
    // Its names and its mounts are the joined namespace's to change.
    const Outcome inside = guest.exec({"sh", "-c", "id -u; hostname; busybox ps -o pid,comm"});
    INFO(inside.err);
    CHECK_THAT(inside.out, ContainsSubstring("0\nrunc\n") && ContainsSubstring("1 sleep"));
    CHECK(guest("delete", {"--force"}).status == 0);
    CHECK(owner.status() == "running");
}

TEST_CASE("config-linux.md, Namespaces: what joins a user namespace maps no IDs",
          "[03][conformance]") {
    SpecParts parts = sleeping();
    const std::string maps = R"([{"containerID": 0, "hostID": 100000, "size": 65536}])";
    parts.linux_extra = R"("uidMappings": )" + maps + R"(, "gidMappings": )" + maps + ",";
    parts.namespaces =
        R"([{"type":"mount"},{"type":"uts"},{"type":"user","path":"/proc/self/ns/net"}])";
    const Life life(parts);
    const Outcome outcome = life.create();
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("one that is joined has its own"));
    parts.linux_extra.clear();
    const Life other(parts);
    CHECK_THAT(other.create().err,
               ContainsSubstring("CLONE_NEWUSER") && ContainsSubstring("Invalid argument"));
}

TEST_CASE("config-linux.md, Namespaces: the mount namespace of who starts it is refused",
          "[03][conformance]") {
    SpecParts parts = sleeping();
    parts.namespaces = R"([{"type":"pid"},{"type":"mount","path":"/proc/self/ns/mnt"}])";
    const Life life(parts);
    const Outcome outcome = life.fixture().run(life.id());
    CHECK(outcome.status == 125);
    CHECK_THAT(outcome.err, ContainsSubstring("expected a mount namespace that is not the host's"));
}

TEST_CASE("config.md, Linux process: execCPUAffinity says where a further process runs",
          "[03][conformance]") {
    cpu_set_t ours{};
    ::sched_getaffinity(0, sizeof ours, &ours);
    if (CPU_COUNT(&ours) < 2) {
        SUCCEED("one CPU only");
        return;
    }
    const Life life(sleeping());
    json config = json::parse(drydock::read_file(life.file("config.json")));
    config["process"]["execCPUAffinity"] = {{"initial", "0"}, {"final", "1"}};
    life.fixture().write(config.dump());
    life.up();
    const std::vector<std::string> question = {"grep", "Cpus_allowed_list", "/proc/self/status"};
    CHECK_THAT(life.exec(question).out, ContainsSubstring(":\t1\n"));
    const std::string first = drydock::read_file(fmt::format("/proc/{}/status", pid_of(life)));
    CHECK_THAT(first, !ContainsSubstring("Cpus_allowed_list:\t1\n"));
}

TEST_CASE("runtime: what of the limits has no effect is said when a container is made",
          "[03][runtime]") {
    SpecParts parts = script("echo out; echo err >&2");
    parts.resources_extra = R"("memory": {"kernel": 33554432},)";
    const Life life(parts);
    const Outcome run = life.fixture().run(life.id() + "-run");
    CHECK(run.out == "out\n");
    CHECK_THAT(run.err, ContainsSubstring("warning: kernel memory limit: has no effect"));
    const Outcome created = life.create({"--pid-file", life.file("pid").native()});
    CHECK_THAT(created.err, ContainsSubstring("warning: kernel memory limit: has no effect"));
    const Outcome logged = run_to_files(
        life.fixture().runtime({"--log", life.file("log").native(), "run", "-b",
                                life.fixture().bundle().native(), life.id() + "-log"}));
    CHECK(logged.err == "err\n");
    CHECK_THAT(drydock::read_file(life.file("log")), ContainsSubstring("kernel memory limit"));
}

TEST_CASE("features: names what the tables of this program have", "[03][runtime]") {
    const BundleFixture fixture;
    const json features = json::parse(run_program(fixture.runtime({"features"})).out);
    const auto has = [](const json& list, const char* name) {
        return std::ranges::find(list, name) != list.end();
    };
    CHECK(has(features.at("mountOptions"), "nosymfollow"));
    CHECK(has(features.at("mountOptions"), "rro"));
    CHECK(has(features.at("mountOptions"), "tmpcopyup"));
    CHECK(has(features.at("hooks"), "createContainer"));
    const json& seccomp = features.at("linux").at("seccomp");
    CHECK(has(seccomp.at("actions"), "SCMP_ACT_NOTIFY"));
    CHECK(has(seccomp.at("knownFlags"), "SECCOMP_FILTER_FLAG_LOG"));
    CHECK(features.at("linux").at("mountExtensions").at("idmap").at("enabled") == true);
}
