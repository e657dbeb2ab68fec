// OCI runtime-spec 1.2, config.md: each requirement that can be seen from outside, named by its
// section. [runc-deviates]: runc 1.1.5 does otherwise, see docs/conformance.md.
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstring>
#include <fstream>

#include "testing/catch.hpp"
#include "testing/skip.hpp"

#include "conformance_bundle.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

namespace {

bool is_old_tmpfs(const fs::path& path) {
    struct statfs status{};
    utsname kernel{};
    ::uname(&kernel);
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == TMPFS_MAGIC &&
           ::strverscmp(kernel.release, "6.3") < 0;
}

}  // namespace

TEST_CASE("config.md, Root: path must be a directory that exists", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.config["root"]["path"] = "nowhere";
    check_refused(bundle);
}

TEST_CASE("config.md, Root: readonly makes the root read-only, without it it is not",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.shell("touch /x && echo made");
    CHECK(bundle.run().out == "made\n");
    bundle.config["root"]["readonly"] = true;
    CHECK(bundle.run().out.empty());
}

TEST_CASE("config.md, Specification version: one that is no version is refused",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.config["ociVersion"] = "x";
    check_refused(bundle);
}

TEST_CASE("config.md, Mounts: entries are mounted in the listed order", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "tmpfs", "first", {});
    bundle.add_mount("/mnt/in", "tmpfs", "second", {});
    bundle.add_mount("/mnt", "tmpfs", "third", {});
    bundle.shell("ls /mnt; grep -c ' /mnt' /proc/self/mountinfo");
    CHECK(bundle.run().out == "3\n");
}

TEST_CASE("config.md, Mounts: a bind source may be relative to the bundle, and a file",
          "[03][conformance]") {
    ConformanceBundle bundle;
    std::ofstream(bundle.directory() / "note") << "hello\n";
    fs::create_directories(bundle.directory() / "data");
    std::ofstream(bundle.directory() / "data/file") << "there\n";
    bundle.add_mount("/mnt/note", "bind", "note", {"bind", "ro"});
    bundle.add_mount("/mnt/data", "none", "data", {"rbind"});
    bundle.shell("cat /mnt/note /mnt/data/file; echo x > /mnt/note");
    const Outcome outcome = bundle.run();
    CHECK(outcome.out == "hello\nthere\n");
    CHECK_THAT(outcome.err, ContainsSubstring("Read-only file system"));
}

TEST_CASE("config.md, Linux mount options: flags of one mount are set", "[03][conformance]") {
    struct Row {
        const char* option;
        const char* seen;
    };
    const Row table[] = {{"ro", " ro,"},
                         {"nosuid", "nosuid"},
                         {"nodev", "nodev"},
                         {"noexec", "noexec"},
                         {"noatime", "noatime"},
                         {"relatime", "relatime"},
                         {"nodiratime", "nodiratime"},
                         {"sync", "sync"},
                         {"dirsync", "dirsync"},
                         {"mode=700", "mode=700"},
                         {"size=64k", "size=64k"}};
    for (const Row& row : table) {
        CAPTURE(row.option);
        ConformanceBundle bundle;
        bundle.add_mount("/mnt", "tmpfs", "t", {row.option});
        bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
        CHECK_THAT(bundle.run().out, ContainsSubstring(row.seen));
    }
}

TEST_CASE("config.md, Linux mount options: those that take a flag away", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "tmpfs", "t",
                     {"ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime",
                      "atime", "sync", "async"});
    bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
    const std::string line = bundle.run().out;
    CHECK_THAT(line, ContainsSubstring(" rw,relatime"));
    for (const char* flag : {"nosuid", "nodev", "noexec", "noatime", "sync"}) {
        CHECK_THAT(line, !ContainsSubstring(flag));
    }
}

TEST_CASE("config.md, Linux mount options: defaults asks for nothing",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "tmpfs", "t", {"defaults"});
    bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
    CHECK_THAT(bundle.run().out, ContainsSubstring(" rw,relatime"));
}

TEST_CASE("config.md, Linux mount options: recursive ones reach the mounts below",
          "[03][conformance]") {
    // runc 1.1 knows them all but rnosymfollow of a later specification.
    for (const char* option : {"rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnodiratime"}) {
        CAPTURE(option);
        ConformanceBundle bundle;
        bundle.add_mount("/mnt", "tmpfs", "t", {});
        bundle.add_mount("/mnt/in", "tmpfs", "t", {});
        bundle.add_mount("/tmp", "bind", "/proc/self/cwd", {"rbind", option});
        bundle.config["mounts"].back()["source"] = bundle.host("tree").native();
        bundle.shell("grep ' /tmp ' /proc/self/mountinfo");
        const std::string flag = option[1] == 'r' ? " ro," : option + 1;
        CHECK_THAT(bundle.run().out, ContainsSubstring(flag));
    }
}

TEST_CASE("config.md, Linux mount options: bind, and what is made of it with ro, nosuid, noexec",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "bind", bundle.host("data").native(),
                     {"bind", "ro", "nosuid", "nodev", "noexec"});
    bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
    const std::string line = bundle.run().out;
    for (const char* flag : {" ro,", "nosuid", "nodev", "noexec"}) {
        CHECK_THAT(line, ContainsSubstring(flag));
    }
}

TEST_CASE("config.md, Linux mount options: propagation is what was asked for",
          "[03][conformance]") {
    struct Row {
        const char* option;
        const char* seen;
    };
    for (const Row& row :
         {Row{"shared", "shared:"}, {"unbindable", "unbindable"}, {"rshared", "shared:"}}) {
        CAPTURE(row.option);
        ConformanceBundle bundle;
        bundle.add_mount("/mnt", "tmpfs", "t", {row.option});
        bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
        CHECK_THAT(bundle.run().out, ContainsSubstring(row.seen));
    }
}

TEST_CASE("config.md, Linux mount options: remount keeps what it does not name",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "tmpfs", "t", {"nodev", "noexec", "ro"});
    bundle.add_mount("/mnt", "tmpfs", "t", {"remount", "nosuid", "rw"});
    bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
    CHECK_THAT(bundle.run().out, ContainsSubstring(" /mnt rw,nosuid,nodev,noexec"));
}

TEST_CASE("config.md, Linux mount options: tmpcopyup starts with what the directory holds",
          "[03][conformance]") {
    ConformanceBundle bundle;
    fs::create_directories(bundle.rootfs() / "mnt/deep");
    std::ofstream(bundle.rootfs() / "mnt/deep/file") << "kept\n";
    fs::permissions(bundle.rootfs() / "mnt/deep/file", fs::perms(0640));
    fs::create_symlink("deep/file", bundle.rootfs() / "mnt/link");
    bundle.add_mount("/mnt", "tmpfs", "t", {"tmpcopyup", "size=1m"});
    bundle.shell(
        "cat /mnt/link; stat -c %a /mnt/deep/file; echo new > /mnt/deep/file; touch /mnt/x");
    CHECK(bundle.run().out == "kept\n640\n");
    CHECK(!fs::exists(bundle.rootfs() / "mnt/x"));
}

TEST_CASE("config.md, Linux mount options: idmap without any mapping is an error",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.add_mount("/mnt", "bind", bundle.host("data").native(), {"bind", "idmap"});
    check_refused(bundle);
}

TEST_CASE("config.md, Mounts: uidMappings of a mount change the owners that are seen",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    const fs::path data = bundle.host("data");
    fs::create_directories(data / "file");
    bundle.add_mount("/mnt", "bind", data.native(), {"bind", "idmap"});
    const json maps = json::array({{{"containerID", 0}, {"hostID", 7000}, {"size", 10}}});
    bundle.config["mounts"].back()["uidMappings"] = maps;
    bundle.config["mounts"].back()["gidMappings"] = maps;
    bundle.shell("stat -c %u:%g /mnt/file");
    const Outcome outcome = bundle.run();
    if (outcome.err.find("cannot show other owners") != std::string::npos && is_old_tmpfs(data)) {
        skip_test("a tmpfs takes ID maps since Linux 6.3");
        return;
    }
    INFO(outcome.err);
    CHECK(outcome.out == "7000:7000\n");
}

TEST_CASE("config.md, Process: cwd, args and env are the command's", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.process()["cwd"] = "/tmp";
    bundle.process()["env"] = {"PATH=/bin", "A=b c", "EMPTY="};
    bundle.process()["args"] = {"/probe"};
    const json world = bundle.world();
    REQUIRE(world.is_object());
    CHECK(world["cwd"] == "/tmp");
    const auto env = world["env"].get<std::vector<std::string>>();
    for (const char* wanted : {"PATH=/bin", "A=b c", "EMPTY="}) {
        CHECK(std::find(env.begin(), env.end(), wanted) != env.end());
    }
    bundle.process()["cwd"] = "tmp";
    check_refused(bundle);
}

TEST_CASE("config.md, Process: args must have an entry", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.process()["args"] = json::array();
    check_refused(bundle);
}

TEST_CASE("config.md, POSIX process: rlimits are set exactly", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.process()["rlimits"] =
        json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 77}, {"hard", 99}},
                     {{"type", "RLIMIT_CORE"}, {"soft", 5}, {"hard", 6}}});
    const json limits = bundle.world()["limits"];
    CHECK(limits["nofile"] == json({77, 99}));
    CHECK(limits["core"] == json({5, 6}));
}

TEST_CASE("config.md, POSIX process: a limit that the kernel does not have is an error",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.process()["rlimits"] =
        json::array({{{"type", "RLIMIT_FLIGHT"}, {"soft", 1}, {"hard", 1}}});
    check_refused(bundle);
}

TEST_CASE("config.md, POSIX process: a limit that is there twice is an error",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    const json limit = {{"type", "RLIMIT_CORE"}, {"soft", 1}, {"hard", 1}};
    bundle.process()["rlimits"] = json::array({limit, limit});
    check_refused(bundle);
}

TEST_CASE("config.md, Linux process: the sets of capabilities are those asked for",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.capabilities({"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"}, {"bounding"});
    bundle.capabilities({"CAP_CHOWN", "CAP_KILL"}, {"permitted", "inheritable"});
    bundle.capabilities({"CAP_KILL"}, {"effective", "ambient"});
    bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
    const json status = bundle.world()["status"];
    CHECK(status["CapBnd"] == "0000000000002021");
    CHECK(status["CapInh"] == "0000000000000021");
    CHECK(status["CapAmb"] == "0000000000000020");
    // What execve leaves of them to a user: the ambient ones.
    CHECK(status["CapPrm"] == "0000000000000020");
    CHECK(status["CapEff"] == "0000000000000020");
}

TEST_CASE("config.md, Linux process: a capability that cannot be granted is warned about",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.capabilities({"CAP_CHOWN", "CAP_SYS_RESOURCE"});
    bundle.capabilities({"CAP_CHOWN"}, {"ambient"});  // and not inheritable
    bundle.shell("true");
    const Outcome outcome = bundle.run();
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.err, ContainsSubstring("CAP_CHOWN"));
}

TEST_CASE("config.md, Linux process: noNewPrivileges", "[03][conformance]") {
    ConformanceBundle bundle;
    CHECK(bundle.world()["status"]["NoNewPrivs"] == "0");
    bundle.process()["noNewPrivileges"] = true;
    CHECK(bundle.world()["status"]["NoNewPrivs"] == "1");
}

TEST_CASE("config.md, Linux process: oomScoreAdj is set, and left alone when it is not there",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.shell("cat /proc/self/oom_score_adj");
    std::string own;
    std::getline(std::ifstream("/proc/self/oom_score_adj"), own);
    CHECK(bundle.run().out == own + "\n");
    bundle.process()["oomScoreAdj"] = 345;
    CHECK(bundle.run().out == "345\n");
}

TEST_CASE("config.md, Linux process: scheduler and ioPriority",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.process()["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 5}};
    bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_IDLE"}, {"priority", 0}};
    // Fields 19 and 41 of /proc/PID/stat: nice and policy.
    bundle.shell("cut -d' ' -f19,41 /proc/self/stat; ionice");
    CHECK_THAT(bundle.run().out, ContainsSubstring("5 3\nidle"));
}

TEST_CASE("config.md, Linux process: a profile of a security module that is not there is an error",
          "[03][conformance]") {
    if (fs::exists("/sys/kernel/security/apparmor")) {
        SUCCEED("AppArmor is there");
        return;
    }
    ConformanceBundle bundle;
    bundle.process()["apparmorProfile"] = "nosuch";
    check_refused(bundle);
}

TEST_CASE("config.md, User: uid, gid, additionalGids and umask are exactly those",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.process()["user"] = {
        {"uid", 1000}, {"gid", 1001}, {"additionalGids", {5, 7}}, {"umask", 027}};
    const json world = bundle.world();
    CHECK(world["uid"] == 1000);
    CHECK(world["gid"] == 1001);
    CHECK(world["groups"] == json({5, 7}));
    CHECK(world["status"]["Umask"] == "0027");
}

TEST_CASE("config.md, Hostname: the name of the container's UTS namespace", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.config["hostname"] = "conformant";
    CHECK(bundle.world()["hostname"] == "conformant");
}

TEST_CASE("config.md, Domainname: the same", "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.config["domainname"] = "example.org";
    bundle.shell("cat /proc/sys/kernel/domainname");
    CHECK(bundle.run().out == "example.org\n");
}

TEST_CASE("config.md, Annotations: unknown keys are no error", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.config["annotations"] = {{"org.example.unknown", "value"}, {"empty", ""}};
    bundle.shell("true");
    CHECK(bundle.run().status == 0);
}

TEST_CASE("config.md, Annotations: values must be strings", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.config["annotations"] = {{"org.example.number", 1}};
    check_refused(bundle);
}

TEST_CASE("config.md, Extensibility: unknown properties are ignored", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.config["org.example"] = {{"a", json::array({1, 2})}};
    bundle.process()["later"] = true;
    bundle.shell("true");
    CHECK(bundle.run().status == 0);
}

TEST_CASE("config.md, Valid values: a value of another type or beyond its range is an error",
          "[03][conformance]") {
    const std::pair<const char*, json> table[] = {
        {"/process/terminal", "yes"}, {"/process/user/uid", -1}, {"/process/user/uid", "0"},
        {"/process/args", "sh"},      {"/root/path", 1},         {"/linux/namespaces", "all"},
        {"/mounts", json::object()}};
    for (const auto& [pointer, value] : table) {
        CAPTURE(pointer);
        ConformanceBundle bundle;
        bundle.config[json::json_pointer(pointer)] = value;
        check_refused(bundle);
    }
}
