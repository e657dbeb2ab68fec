// OCI runtime-spec 1.2, config-linux.md and runtime-linux.md; see
// conformance_config.kernel.test.cpp.
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "01-chroot/file.hpp"

#include "testing/catch.hpp"

#include "conformance_bundle.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

namespace {

/// Its number, as the probe gives it.
std::uint64_t host_namespace(const std::string& name) {
    const std::string link = fs::read_symlink("/proc/self/ns/" + name).native();  // "net:[4026]"
    return std::stoull(link.substr(link.find('[') + 1));
}

constexpr std::pair<const char*, const char*> kFiles[] = {
    {"pid", "pid"}, {"mount", "mnt"}, {"ipc", "ipc"}, {"uts", "uts"}, {"network", "net"}};

json without(json namespaces, const std::string& type) {
    json result = json::array();
    for (const json& ns : namespaces) {
        if (ns["type"] != type) {
            result.push_back(ns);
        }
    }
    return result;
}

void use_maps(ConformanceBundle& bundle, unsigned first) {
    bundle.linux_part()["namespaces"].push_back({{"type", "user"}});
    const json maps = json::array({{{"containerID", 0}, {"hostID", first}, {"size", 65536}}});
    bundle.linux_part()["uidMappings"] = maps;
    bundle.linux_part()["gidMappings"] = maps;
    run_program({"chown", "-R", std::to_string(first) + ":" + std::to_string(first),
                 bundle.rootfs().native()});
    // The container's root, who is nobody here, has to get there.
    fs::permissions(bundle.directory(), fs::perms(0755));
    fs::permissions(bundle.directory().parent_path(), fs::perms(0755));
}

}  // namespace

TEST_CASE("config-linux.md, Namespaces: one without a path is new", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["namespaces"].push_back({{"type", "cgroup"}});
    const json seen = bundle.world()["namespaces"];
    for (const auto& [type, file] : kFiles) {
        CAPTURE(type);
        CHECK(seen[file] != host_namespace(file));
    }
    CHECK(seen["cgroup"] != host_namespace("cgroup"));
}

TEST_CASE("config-linux.md, Namespaces: one that is not listed is the runtime's",
          "[03][conformance]") {
    for (const char* type : {"ipc", "uts", "network"}) {
        CAPTURE(type);
        ConformanceBundle bundle;
        bundle.linux_part()["namespaces"] = without(bundle.linux_part()["namespaces"], type);
        const std::string file = std::string(type) == "network" ? "net" : type;
        CHECK(bundle.world()["namespaces"][file] == host_namespace(file));
    }
}

TEST_CASE("config-linux.md, Namespaces: a path of another type is an error", "[03][conformance]") {
    ConformanceBundle bundle;
    json& namespaces = bundle.linux_part()["namespaces"];
    namespaces = without(namespaces, "network");
    namespaces.push_back({{"type", "network"}, {"path", "/proc/self/ns/uts"}});
    check_refused(bundle);
}

TEST_CASE("config-linux.md, Namespaces: a type that is there twice is an error",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["namespaces"].push_back({{"type", "uts"}});
    check_refused(bundle);
}

TEST_CASE("config-linux.md, User namespace mappings: IDs inside are those outside",
          "[03][conformance]") {
    ConformanceBundle bundle;
    use_maps(bundle, 200000);
    const json world = bundle.world();
    REQUIRE(world.is_object());
    CHECK(world["uid"] == 0);
    std::istringstream line(world["uid_map"][0].get<std::string>());
    unsigned inside = 1;
    unsigned outside = 0;
    unsigned count = 0;
    line >> inside >> outside >> count;
    CHECK(inside == 0);
    CHECK(outside == 200000);
    CHECK(count == 65536);
    CHECK(world["namespaces"]["user"] != host_namespace("user"));
}

TEST_CASE("config-linux.md, Offset for time namespace: clocks are ahead by it",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.linux_part()["namespaces"].push_back({{"type", "time"}});
    bundle.linux_part()["timeOffsets"] = {{"boottime", {{"secs", 1000000}, {"nanosecs", 5}}}};
    bundle.shell("cut -d. -f1 /proc/uptime");
    CHECK(std::atoi(bundle.run().out.c_str()) > 1000000);
}

TEST_CASE("config-linux.md, Devices: type, numbers, mode and owners are those asked for",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["devices"] =
        json::array({{{"path", "/dev/fuse"},
                      {"type", "c"},
                      {"major", 10},
                      {"minor", 229},
                      {"fileMode", 0640},
                      {"uid", 7},
                      {"gid", 8}},
                     {{"path", "/dev/deep/disk"}, {"type", "b"}, {"major", 8}, {"minor", 0}},
                     {{"path", "/dev/pipe"}, {"type", "p"}, {"fileMode", 0600}}});
    bundle.shell(
        "stat -c '%F %t:%T %a %u:%g' /dev/fuse /dev/pipe; stat -c '%F %t:%T' /dev/deep/disk");
    CHECK(bundle.run().out ==
          "character special file a:e5 640 7:8\nfifo 0:0 600 0:0\nblock special file 8:0\n");
}

TEST_CASE("config-linux.md, Devices: a file that is no such device is an error",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.linux_part()["devices"] =
        json::array({{{"path", "/bin/busybox"}, {"type", "c"}, {"major", 10}, {"minor", 229}}});
    check_refused(bundle);
}

TEST_CASE("config-linux.md, Default Devices: they are there", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.shell(
        "for d in null zero full random urandom tty ptmx; do test -c /dev/$d || echo no $d; "
        "done; stat -c %t:%T /dev/null /dev/zero /dev/full /dev/random /dev/urandom");
    CHECK(bundle.run().out == "1:3\n1:5\n1:7\n1:8\n1:9\n");
}

TEST_CASE("runtime-linux.md, Dev symbolic links: they are there", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.shell("for l in fd stdin stdout stderr; do readlink /dev/$l; done");
    CHECK(bundle.run().out == "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n");
}

TEST_CASE("runtime-linux.md, File descriptors: only the standard streams are passed on",
          "[03][conformance]") {
    ConformanceBundle bundle;
    const json descriptors = bundle.world()["descriptors"];
    CHECK(descriptors.size() == 3);
}

TEST_CASE("config-linux.md, Control groups: limits hold for the path that was given",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["cgroupsPath"] = "/drydock-conformance-" + std::to_string(::getpid());
    bundle.linux_part()["resources"] = {{"pids", {{"limit", 7}}}};
    bundle.add_mount("/mnt", "cgroup", "cgroup", {"ro"});
    bundle.shell("cat /mnt/pids/pids.max /mnt/pids.max 2>/dev/null");
    CHECK(bundle.run().out == "7\n");
}

TEST_CASE("config-linux.md, Allowed Device list: what is denied cannot be opened",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["resources"]["devices"] =
        json::array({{{"allow", false}, {"access", "rwm"}}});
    bundle.linux_part()["devices"] =
        json::array({{{"path", "/dev/hidden"}, {"type", "c"}, {"major", 10}, {"minor", 229}}});
    bundle.shell("true < /dev/null && echo null; true < /dev/hidden && echo hidden");
    const Outcome outcome = bundle.run();
    CHECK(outcome.out == "null\n");
    CHECK_THAT(outcome.err, ContainsSubstring("Operation not permitted"));
}

TEST_CASE("config-linux.md, Sysctl: set in the container's namespace alone", "[03][conformance]") {
    const std::string before = drydock::read_file("/proc/sys/net/ipv4/ip_forward");
    ConformanceBundle bundle;
    bundle.linux_part()["sysctl"] = {{"net.ipv4.ip_forward", before == "1\n" ? "0" : "1"},
                                     {"kernel.shm_rmid_forced", "1"}};
    bundle.shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced");
    CHECK(bundle.run().out == (before == "1\n" ? "0\n1\n" : "1\n1\n"));
    CHECK(drydock::read_file("/proc/sys/net/ipv4/ip_forward") == before);
}

TEST_CASE("config-linux.md, Seccomp: actions, errnoRet and arguments decide about a call",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"architectures", {"SCMP_ARCH_X86_64"}},
        {"syscalls",
         json::array(
             {{{"names", {"mkdir", "mkdirat", "no_such_call"}},
               {"action", "SCMP_ACT_ERRNO"},
               {"errnoRet", 28}},
              {{"names", {"kill"}},
               {"action", "SCMP_ACT_ERRNO"},
               {"args", json::array({{{"index", 1}, {"value", 10}, {"op", "SCMP_CMP_EQ"}}})}}})}};
    bundle.shell("mkdir /tmp/x; kill -USR1 $$; kill -0 $$ && echo alive");
    const Outcome outcome = bundle.run();
    CHECK(outcome.out == "alive\n");
    CHECK_THAT(outcome.err, ContainsSubstring("No space left on device") &&
                                ContainsSubstring("Operation not permitted"));
}

TEST_CASE("config-linux.md, Seccomp: the default action and its errno hold for the rest",
          "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = {
        {"defaultAction", "SCMP_ACT_KILL_PROCESS"},
        {"syscalls",
         json::array({{{"names", {"execve", "brk", "write"}}, {"action", "SCMP_ACT_ALLOW"}}})}};
    bundle.shell("true");
    CHECK(bundle.run().status != 0);
}

TEST_CASE("config-linux.md, Seccomp: an action that is none is an error", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["seccomp"] = {{"defaultAction", "SCMP_ACT_MAYBE"}};
    check_refused(bundle);
}

TEST_CASE("config-linux.md, Masked paths: nothing can be read there", "[03][conformance]") {
    ConformanceBundle bundle;
    std::ofstream(bundle.rootfs() / "secret") << "secret\n";
    bundle.linux_part()["maskedPaths"] = {"/secret", "/bin", "/no/such/path"};
    bundle.process()["args"] = {"/probe"};
    fs::create_directories(bundle.rootfs() / "open");
    fs::copy(bundle.rootfs() / "bin/busybox", bundle.rootfs() / "open/busybox");
    bundle.process()["args"] = {"/open/busybox", "sh", "-c",
                                "/open/busybox cat /secret; /open/busybox ls /bin"};
    const Outcome outcome = bundle.run();
    CHECK(outcome.status == 0);
    CHECK(outcome.out.empty());
}

TEST_CASE("config-linux.md, Readonly paths: nothing can be written there", "[03][conformance]") {
    ConformanceBundle bundle;
    bundle.linux_part()["readonlyPaths"] = {"/tmp", "/no/such/path"};
    bundle.shell("touch /tmp/x; touch /mnt/x && echo made");
    const Outcome outcome = bundle.run();
    CHECK(outcome.out == "made\n");
    CHECK_THAT(outcome.err, ContainsSubstring("Read-only file system"));
}

TEST_CASE("config-linux.md, Rootfs Mount Propagation: the root has what was asked for",
          "[03][conformance][runc-deviates]") {
    struct Row {
        const char* value;
        const char* seen;
    };
    for (const Row& row : {Row{"shared", "shared:"},
                           {"rshared", "shared:"},
                           {"private", " / rw"},
                           {"unbindable", "unbindable"}}) {
        CAPTURE(row.value);
        ConformanceBundle bundle;
        bundle.linux_part()["rootfsPropagation"] = row.value;
        bundle.shell("grep ' / / ' /proc/self/mountinfo || grep ' / ' /proc/self/mountinfo");
        CHECK_THAT(bundle.run().out, ContainsSubstring(row.seen));
    }
}

TEST_CASE("config-linux.md, Personality: LINUX32 is what uname says",
          "[03][conformance][runc-deviates]") {
    ConformanceBundle bundle;
    bundle.linux_part()["personality"] = {{"domain", "LINUX32"}};
    bundle.shell("uname -m");
    CHECK(bundle.run().out == "i686\n");
}

TEST_CASE("config-linux.md, Default Filesystems: a proc filesystem shows the container alone",
          "[03][conformance]") {
    ConformanceBundle bundle;
    CHECK(bundle.world()["processes"] == json({1}));
}
