#include "03-cgroups/oci_config.hpp"

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"
#include "03-cgroups/bundle.hpp"

#include "testing/catch.hpp"

using drydock::InputError;
using drydock::NotImplemented;
using drydock::oci::parse_config;
using drydock::testing::ContainsSubstring;

namespace {

/// A small good configuration with `part` among the properties of the object at `place` ("" is the
/// whole).
std::string with(const std::string& place, const std::string& part) {
    const auto at = [&](const char* name) { return place == name ? part + "," : std::string(); };
    return "{" + at("") + R"("ociVersion": "1.0.2", "process": {)" + at("process") +
           R"("args": ["sh"], "cwd": "/"}, "root": {)" + at("root") +
           R"("path": "rootfs"}, "linux": {)" + at("linux") + R"("resources": {)" +
           (place == "resources" ? part : "") + R"(}, "namespaces": [{"type": "mount"})" +
           (place == "namespaces" ? "," + part : "") + "]}}";
}

std::string error_of(const std::string& text) {
    try {
        const auto read = parse_config(text, "config.json");
        drydock::options_from(read.config, "/bundle");
    } catch (const std::exception& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("parse_config: a small good configuration is read", "[03][config]") {
    const auto read = parse_config(
        with("process", R"("env": ["A=b"], "user": {"uid": 1, "additionalGids": [2]})"), "c");
    CHECK(read.warnings.empty());
    CHECK(read.config.process.args == std::vector<std::string>{"sh"});
    CHECK(read.config.process.env == std::vector<std::string>{"A=b"});
    CHECK(read.config.process.user.uid == 1);
    CHECK(read.config.process.user.additional_gids == std::vector<std::uint32_t>{2});
    CHECK(read.config.root.path == "rootfs");
}

TEST_CASE("parse_config: an unknown property is warned about and ignored", "[03][config]") {
    const auto read = parse_config(with("linux", R"("fo/o": 1)"), "c");
    REQUIRE(read.warnings.size() == 1);
    CHECK(read.warnings[0] == "c: /linux/fo~1o: unknown property, ignored");
}

TEST_CASE("parse_config: what is wrong is named with its place and what was expected",
          "[03][config]") {
    struct Row {
        const char* place;
        const char* part;
        const char* error;
    };
    const Row table[] = {
        {"process", R"("terminal": "yes")",
         "config.json: /process/terminal: expected true or false, got \"yes\""},
        {"process", R"("env": "A=b")", "/process/env: expected an array"},
        {"process", R"("env": [1])", "/process/env/0: expected a string, got 1"},
        {"process", R"("env": ["a\u0000b"])", "/process/env/0: expected a string without NUL"},
        {"process", R"("user": {"uid": -1})",
         "/process/user/uid: expected a whole number from 0 to 4294967294, got -1"},
        {"process", R"("user": {"uid": 4294967295})",
         "/process/user/uid: expected a whole number from 0 to 4294967294"},
        {"process", R"("user": {"gid": 1.5})", "/process/user/gid: expected a whole number"},
        {"process", R"("rlimits": [{"type": "NOFILE", "soft": 1, "hard": 1}])",
         "/process/rlimits/0: expected a type as RLIMIT_NOFILE"},
        {"process", R"("rlimits": [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}])",
         "soft not above hard"},
        {"process", R"("capabilities": {"bounding": ["CAP_FLY"]})", "CAP_FLY"},
        {"process", R"("apparmorProfile": "x")",
         "/process/apparmorProfile: this kernel runs without AppArmor"},
        {"process", R"("selinuxLabel": "x")", "/process/selinuxLabel: this kernel runs without"},
        {"process", R"("oomScoreAdj": 1001)", "/process/oomScoreAdj: expected a whole number from"},
        {"process", R"("ioPriority": {"class": "IOPRIO_CLASS_BE"})",
         "/process/ioPriority: expected \"priority\""},
        {"process", R"("scheduler": {"policy": "SCHED_FAST"})",
         "/process/scheduler/policy: expected one of \"SCHED_OTHER\""},
        {"process", R"("consoleSize": {"height": 70000, "width": 1})",
         "/process/consoleSize/height: expected a whole number from 0 to 65535"},
        {"process", R"("rlimits": [{"type": "RLIMIT_FLIGHT", "soft": 1, "hard": 1}])",
         "/process/rlimits/0: rlimit RLIMIT_FLIGHT: expected a name of setrlimit(2)"},
        {"process",
         R"("rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}])",
         "/process/rlimits/1: expected each type of limit once"},
        {"", R"("mounts": [{"destination": "tmp"}])",
         "/mounts/0/destination: expected an absolute path"},
        {"", R"("mounts": [{}])", "/mounts/0: expected \"destination\""},
        {"", R"("hooks": {"prestart": [{"path": "bin/true"}]})",
         "/hooks/prestart/0/path: expected an absolute path"},
        {"", R"("hostname": "x")", "/hostname: expected a \"uts\""},
        {"", R"("domainname": "x")", "/domainname: expected a \"uts\""},
        {"", R"("mounts": [{"destination": "/x", "source": "y", "options": ["bind", "idmap"]}])",
         "/mounts/0: expected \"uidMappings\""},
        {"",
         R"("mounts": [{"destination": "/x", "type": "tmpfs", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}])",
         "/mounts/0: expected a bind mount"},
        {"linux", R"("timeOffsets": {"monotonic": {"secs": 1}})",
         "/linux/timeOffsets: expected a \"time\""},
        {"linux", R"("timeOffsets": {"tai": {"secs": 1}})", "/linux/timeOffsets/tai: expected"},
        {"linux", R"("maskedPaths": ["proc"])", "/linux/maskedPaths/0: expected an absolute path"},
        {"linux", R"("intelRdt": {"closID": "x"})", "not implemented: linux.intelRdt"},
        {"linux", R"("seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"})",
         "/linux/seccomp: expected a \"listenerPath\""},
        {"linux", R"("cgroupsPath": "a:b:c")", "groups of systemd"},
        {"linux", R"("sysctl": {"kernel.core_pattern": "x"})", "sysctl \"kernel.core_pattern\""},
        {"linux", R"("sysctl": {"net.ipv4.ip_forward": "1"})", "sysctl \"net.ipv4.ip_forward\""},
        {"linux", R"("uidMappings": [{"containerID": 0, "hostID": 0, "size": 0}])",
         "/linux/uidMappings/0/size"},
        {"linux", R"("uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
         "expected a \"user\""},
        {"linux", R"("personality": {"domain": "BSD"})", "/linux/personality/domain: expected"},
        {"linux", R"("rootfsPropagation": "loud")", "/linux/rootfsPropagation: expected one of"},
        {"linux", R"("seccomp": {"defaultAction": "SCMP_ACT_MAYBE"})",
         "/linux/seccomp/defaultAction: expected one of \"SCMP_ACT_KILL\""},
        {"linux", R"("seccomp": {"defaultAction": "SCMP_ACT_NOTIFY"})",
         "/linux/seccomp: expected a \"listenerPath\" for SCMP_ACT_NOTIFY"},
        {"linux", R"("devices": [{"path": "/dev/x", "type": "z"}])",
         "/linux/devices/0/type: expected one of \"c\""},
        {"namespaces", R"({"type": "mount"})",
         "/linux/namespaces/1: expected each type of namespace once"},
        {"namespaces", R"({"type": "moon"})", "/linux/namespaces/1/type: expected one of \"pid\""},
        {"resources", R"("memory": {"limit": 1024})",
         "/linux/resources: expected memory limit 1 KiB: expected at least 6 MiB"},
        {"resources", R"("memory": {"limit": "64m"})",
         "/linux/resources/memory/limit: expected a whole number"},
        {"resources", R"("memory": {"swappiness": 101})",
         "/linux/resources/memory/swappiness: expected a whole number from 0 to 100"},
        {"resources", R"("unified": {"memory.high": 1})",
         "/linux/resources/unified/memory.high: expected a string"},
        {"resources", R"("blockIO": {"throttleReadBpsDevice": [{"major": 1, "minor": 0}]})",
         "/linux/resources/blockIO/throttleReadBpsDevice/0: expected \"rate\""},
        {"resources", R"("devices": [{"allow": true, "access": "x"}])",
         "/linux/resources/devices/0/access: expected letters of \"rwm\""},
    };
    for (const Row& row : table) {
        CAPTURE(row.part);
        CHECK_THAT(error_of(with(row.place, row.part)), ContainsSubstring(row.error));
    }
}

TEST_CASE("parse_config: what is missing is named", "[03][config]") {
    CHECK_THAT(error_of("{}"), ContainsSubstring("ociVersion"));
    CHECK_THAT(error_of(R"({"ociVersion": "1.0.2"})"), ContainsSubstring("expected \"process\""));
    CHECK_THAT(error_of(R"({"ociVersion": "1.0.2", "process": {"args": ["x"]}})"),
               ContainsSubstring("/process: expected \"cwd\""));
    CHECK_THAT(error_of(R"({"ociVersion": "1.0.2", "process": {"args": [], "cwd": "/"}})"),
               ContainsSubstring("/process/args: expected a command"));
    CHECK_THAT(error_of(R"({"ociVersion": "1.0.2", "process": {"args": ["x"], "cwd": "/"}})"),
               ContainsSubstring("expected \"root\""));
    CHECK_THAT(error_of(R"({"ociVersion": "9.0"})"),
               ContainsSubstring("/ociVersion: expected a version 1.x"));
    CHECK_THAT(error_of("[]"), ContainsSubstring("expected an object"));
    CHECK_THAT(error_of("{\n\"ociVersion\": }"),
               ContainsSubstring("config.json: parse error at line 2, column"));
}

TEST_CASE("parse_config: quota and period become CPUs, and come back exactly", "[03][config]") {
    const auto read = parse_config(
        with("resources", R"("cpu": {"quota": 33333, "period": 70000}, "pids": {"limit": -1})"),
        "c");
    CHECK(drydock::cpu_quota_us(read.config.linux_.limits) == 33333);
    CHECK(read.config.linux_.limits.cpu_period_us == 70000);
    CHECK(!read.config.linux_.limits.pids);
}

TEST_CASE("parse_resources: what takes a limit away is kept for an update, and is none at a start",
          "[03][config]") {
    const char* const text =
        R"({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1, "cpus": "0", "burst": 7},
            "pids": {"limit": -1}, "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
            "rdma": {"mlx": {"hcaHandles": 3}}, "network": {"classID": 9},
            "blockIO": {"weight": 20, "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 9}]}})";
    const drydock::Limits update = drydock::oci::parse_resources(text, "r").linux_.limits;
    CHECK(update.memory_bytes == -1);
    CHECK(update.memory_swap_bytes == -1);
    CHECK(update.nano_cpus == -1);
    CHECK(update.pids == -1);
    CHECK(update.cpuset_cpus == "0");
    CHECK(update.cpu_burst_us == 7);
    REQUIRE(update.hugetlb.size() == 1);
    CHECK(update.hugetlb[0].bytes == 5);
    REQUIRE(update.rdma.size() == 1);
    CHECK(update.rdma[0].device == "mlx");
    CHECK(update.net_class_id == 9);
    CHECK(update.io.weight == 20);
    REQUIRE(update.io.write_operations.size() == 1);
    CHECK(update.io.write_operations[0].value == 9);

    const auto read =
        parse_config(with("resources", R"("memory": {"limit": -1}, "pids": {"limit": 0})"), "c");
    CHECK(!read.config.linux_.limits.memory_bytes);
    CHECK(!read.config.linux_.limits.pids);
}

TEST_CASE("options_from: a mount at / is the root's own file system", "[03][config]") {
    const auto read = parse_config(
        with(
            "",
            R"("mounts": [{"destination": "/", "type": "overlay", "source": "overlay", "options": ["lowerdir=/a", "ro"]},
                               {"destination": "/data", "type": "bind", "source": "vol", "options": ["rbind"]}])"),
        "c");
    const auto options = drydock::options_from(read.config, "/bundle");
    REQUIRE(options.rootfs.filesystem);
    CHECK(options.rootfs.filesystem->type == "overlay");
    CHECK(options.rootfs.filesystem->data == "lowerdir=/a");
    CHECK(options.rootfs.directory == "/bundle/rootfs");
    REQUIRE(options.mounts.size() == 1);
    CHECK(options.mounts[0].source == "/bundle/vol");
}

TEST_CASE("options_from: after deny all the harmless devices stay allowed", "[03][config]") {
    const auto read =
        parse_config(with("resources", R"("devices": [{"allow": false, "access": "rwm"}])"), "c");
    const auto rules = drydock::options_from(read.config, "/bundle").device_rules;
    REQUIRE(rules.size() > 2);
    CHECK(drydock::to_text(rules[0]) == "a");
    CHECK(!rules[0].allow);
    CHECK(drydock::to_text(rules[3]) == "c 1:3 rwm");
}

TEST_CASE("load_bundle: a directory that is no bundle is refused", "[03][config]") {
    const drydock::TempDir directory("bundle");
    CHECK_THROWS_WITH(drydock::load_bundle(directory.path() / "nowhere", "x"),
                      ContainsSubstring("no such directory"));
    CHECK_THROWS_WITH(drydock::load_bundle(directory.path(), "x"),
                      ContainsSubstring("config.json: no such file"));
}
