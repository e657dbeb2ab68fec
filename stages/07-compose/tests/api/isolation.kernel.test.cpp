// What HostConfig says about how far a container is kept from the machine, seen from inside.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/process_attributes.hpp"

#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

namespace {

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Reply;
using drydock::testing::TestDaemon;
using nlohmann::json;

const TestDaemon& engine() {
    static const TestDaemon own;
    return own;
}

/// What a container with that HostConfig writes.
std::string output_of(const std::string& script, const json& host, json body = json::object()) {
    body["HostConfig"] = host;
    const std::string id = engine().run(script, body);
    static_cast<void>(engine().wait(id));
    std::string out = engine().logs(id);
    CHECK(engine().call("DELETE", "/containers/" + id).status == 204);
    return out;
}

/// Why a container with that HostConfig is not made.
std::string refusal_of(const json& host, int status = 400) {
    const json body = {{"Image", "drydock/base"}, {"HostConfig", host}};
    const Reply reply = engine().call("POST", "/containers/create", body.dump());
    CHECK(reply.status == status);
    return reply.json().value("message", "");
}

std::string effective(const json& host) {
    return output_of("grep CapEff /proc/self/status", host);
}

std::string cap_line(drydock::CapabilitySet set) {
    return fmt::format("CapEff:\t{:016x}\n", set & drydock::own_bounding_set());
}

std::string own_link(const char* ns) {
    return fs::read_symlink(fmt::format("/proc/self/ns/{}", ns)).native() + "\n";
}

const std::string kReadNamespaces =
    "for n in pid ipc uts cgroup; do echo $n $(readlink /proc/self/ns/$n); done";

}  // namespace

TEST_CASE("isolation: capabilities are added to and taken from docker's fourteen",
          "[07][isolation][kernel]") {
    using drydock::capability;
    constexpr auto kDefault = drydock::kDefaultCapabilities;
    CHECK(effective(json::object()) == cap_line(kDefault));
    CHECK(effective({{"CapAdd", {"net_admin", "CAP_SYS_PTRACE"}}}) ==
          cap_line(kDefault | capability("NET_ADMIN") | capability("SYS_PTRACE")));
    CHECK(effective({{"CapDrop", {"CHOWN"}}}) == cap_line(kDefault & ~capability("CHOWN")));
    CHECK(effective({{"CapDrop", {"ALL"}}}) == cap_line(0));
    CHECK(effective({{"CapDrop", {"ALL"}}, {"CapAdd", {"KILL"}}}) == cap_line(capability("KILL")));
    CHECK(effective({{"CapAdd", {"ALL"}}}) == cap_line(~drydock::CapabilitySet{0} >> 23U));
    CHECK_THAT(refusal_of({{"CapAdd", {"FLYING"}}}), ContainsSubstring("capability FLYING"));
}

TEST_CASE("isolation: a capability that the daemon has not got is an error when asked for by name",
          "[07][isolation][kernel]") {
    if (drydock::has_capabilities(drydock::capability("CAP_SYS_RESOURCE"))) {
        drydock::testing::skip_test("the daemon has all capabilities");
        return;
    }
    CHECK_THAT(refusal_of({{"CapAdd", {"SYS_RESOURCE"}}}),
               ContainsSubstring("SYS_RESOURCE") && ContainsSubstring("has not got it"));
    CHECK_THAT(refusal_of({{"OomScoreAdj", -999}}), ContainsSubstring("CAP_SYS_RESOURCE"));
    const json body = {{"Image", "drydock/base"}, {"HostConfig", {{"CapAdd", {"ALL"}}}}};
    const json made = engine().call("POST", "/containers/create", body.dump()).json();
    CHECK_THAT(made.at("Warnings").dump(), ContainsSubstring("CAP_SYS_RESOURCE"));
}

TEST_CASE("isolation: a privileged container has all, and nothing is masked or filtered",
          "[07][isolation][kernel]") {
    const std::string seen = output_of(
        "grep -E 'CapEff|Seccomp:' /proc/self/status; ls -A /dev | wc -l; "
        "cat /proc/keys > /dev/null && echo unmasked; mount -t tmpfs x /tmp && echo mounted",
        {{"Privileged", true}});
    CHECK_THAT(seen, ContainsSubstring(cap_line(~drydock::CapabilitySet{0} >> 23U)));
    CHECK_THAT(seen, ContainsSubstring("Seccomp:\t0"));
    CHECK_THAT(seen, ContainsSubstring("unmasked"));
    CHECK_THAT(seen, ContainsSubstring("mounted"));
    const std::string plain = output_of(
        "grep Seccomp: /proc/self/status; mount -t tmpfs x /tmp || echo refused", json::object());
    CHECK_THAT(plain, ContainsSubstring("Seccomp:\t2") && ContainsSubstring("refused"));
}

TEST_CASE("isolation: security options switch privileges and the filter of system calls",
          "[07][isolation][kernel]") {
    const std::string look = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | tr '\\n\\t' '  '";
    CHECK(output_of(look, json::object()) == "NoNewPrivs: 0 Seccomp: 2 ");
    CHECK(output_of(look, {{"SecurityOpt", {"no-new-privileges"}}}) == "NoNewPrivs: 1 Seccomp: 2 ");
    CHECK(output_of(look, {{"SecurityOpt",
                            {"no-new-privileges:false", "seccomp=unconfined", "label=disable",
                             "apparmor=unconfined"}}}) == "NoNewPrivs: 0 Seccomp: 0 ");
    const std::string profile = R"({"defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
                     {"name": "chmod", "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_BOOT"]}},
                     {"names": ["fchmodat", "chmod"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_CHOWN"]}}]})";
    CHECK_THAT(output_of("mkdir /tmp/x 2>&1; chmod 600 /etc/passwd && echo changed",
                         {{"SecurityOpt", {"seccomp=" + profile}}}),
               ContainsSubstring("No space left on device") && ContainsSubstring("changed"));
    CHECK_THAT(refusal_of({{"SecurityOpt", {"seccomp={\"syscalls\": []}"}}}),
               ContainsSubstring("seccomp profile: at /defaultAction"));
    CHECK_THAT(refusal_of({{"SecurityOpt", {"magic=1"}}}),
               ContainsSubstring("invalid --security-opt 2"));
    CHECK_THAT(refusal_of({{"SecurityOpt", {"label=type:container_t"}}}, 501),
               ContainsSubstring("SELinux"));
}

TEST_CASE("isolation: without masked and read-only paths the kernel's files are open",
          "[07][isolation][kernel]") {
    const std::string look =
        "cat /proc/keys >/dev/null 2>&1; wc -c < /proc/timer_list 2>/dev/null | "
        "sed 's/[1-9][0-9]*/some/'; touch /proc/sys/kernel/msgmax && echo writable";
    CHECK_THAT(output_of(look, json::object()), !ContainsSubstring("writable"));
    CHECK_THAT(output_of(look, {{"MaskedPaths", json::array()}, {"ReadonlyPaths", json::array()}}),
               ContainsSubstring("writable"));
}

TEST_CASE("isolation: ulimits hold for the command, and none is above the daemon's own",
          "[07][isolation][kernel]") {
    CHECK(output_of("ulimit -Sn; ulimit -Hn; ulimit -c",
                    {{"Ulimits",
                      {{{"Name", "nofile"}, {"Soft", 100}, {"Hard", 200}},
                       {{"Name", "core"}, {"Soft", 0}, {"Hard", 0}}}}}) == "100\n200\n0\n");
    CHECK_THAT(refusal_of({{"Ulimits", {{{"Name", "nofile"}, {"Soft", 9}, {"Hard", 5}}}}}),
               ContainsSubstring("soft limit must be less than or equal to hard limit"));
    CHECK_THAT(refusal_of({{"Ulimits", {{{"Name", "wings"}, {"Soft", 1}, {"Hard", 1}}}}}),
               ContainsSubstring("RLIMIT_WINGS"));
    rlimit own{};
    ::getrlimit(RLIMIT_NOFILE, &own);
    if (own.rlim_max != RLIM_INFINITY &&
        !drydock::has_capabilities(drydock::capability("CAP_SYS_RESOURCE"))) {
        CHECK_THAT(refusal_of({{"Ulimits",
                                {{{"Name", "nofile"}, {"Soft", 1}, {"Hard", own.rlim_max + 1}}}}}),
                   ContainsSubstring("hard limit of at most"));
    }
}

TEST_CASE("isolation: sysctls are the container's own, and those of the machine are refused",
          "[07][isolation][kernel]") {
    CHECK(
        output_of("cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax",
                  {{"Sysctls", {{"net.ipv4.ip_default_ttl", "33"}, {"kernel.msgmax", "12345"}}}}) ==
        "33\n12345\n");
    CHECK_THAT(refusal_of({{"Sysctls", {{"kernel.pid_max", "4096"}}}}),
               ContainsSubstring("kernel.pid_max"));
    CHECK_THAT(refusal_of({{"IpcMode", "host"}, {"Sysctls", {{"kernel.msgmax", "1"}}}}),
               ContainsSubstring("kernel.msgmax"));
}

TEST_CASE("isolation: devices can be opened only when the container was given them",
          "[07][isolation][kernel]") {
    struct stat status{};
    if (::stat("/dev/loop-control", &status) != 0) {
        drydock::testing::skip_test("this machine has no /dev/loop-control");
        return;
    }
    const std::string open = ": < /dev/mine && echo opened";
    const std::string number =
        fmt::format("c {} {}", ::major(status.st_rdev), ::minor(status.st_rdev));
    const std::string make = "mknod /dev/mine " + number + " && " + open;
    const auto device = [](const char* access) {
        return json{{"Devices",
                     {{{"PathOnHost", "/dev/loop-control"},
                       {"PathInContainer", "/dev/mine"},
                       {"CgroupPermissions", access}}}}};
    };
    CHECK(output_of(open, device("rwm")) == "opened\n");
    CHECK_THAT(output_of(open, device("m")), ContainsSubstring("not permitted"));
    CHECK_THAT(output_of(make, json::object()), ContainsSubstring("not permitted"));
    const std::string rule = fmt::format("c {}:* rw", ::major(status.st_rdev));
    CHECK(output_of(make, {{"DeviceCgroupRules", {rule}}}) == "opened\n");
    CHECK_THAT(refusal_of({{"DeviceCgroupRules", {"c 1:2:3 r"}}}),
               ContainsSubstring("invalid device cgroup format 'c 1:2:3 r'"));
    CHECK_THAT(refusal_of({{"Devices", {{{"PathOnHost", "/dev/nothing"}}}}}),
               ContainsSubstring("\"/dev/nothing\": no such file or directory"));
}

TEST_CASE("isolation: groups, the OOM score and a root that cannot be written",
          "[07][isolation][kernel]") {
    CHECK_THAT(output_of("id -G", {{"GroupAdd", {"4242", "daemon"}}}), ContainsSubstring("4242"));
    const int own = drydock::own_oom_score_adj();
    CHECK(output_of("cat /proc/self/oom_score_adj", {{"OomScoreAdj", own + 100}}) ==
          fmt::format("{}\n", own + 100));
    CHECK_THAT(refusal_of({{"OomScoreAdj", 2000}}), ContainsSubstring("[-1000, 1000]"));
    const std::string seen = output_of(
        "touch /x 2>/dev/null || echo kept; touch /scratch/x && echo made; "
        "df -k /scratch | tail -1 | tr -s ' ' | cut -d ' ' -f 2; echo $(stat -c %a /scratch)",
        {{"ReadonlyRootfs", true}, {"Tmpfs", {{"/scratch", "size=1m,mode=1700"}}}});
    CHECK(seen == "kept\nmade\n1024\n1700\n");
}

TEST_CASE("isolation: namespaces of the host are the host's", "[07][isolation][kernel]") {
    const std::string shared =
        output_of(kReadNamespaces + "; hostname", {{"PidMode", "host"},
                                                   {"IpcMode", "host"},
                                                   {"UTSMode", "host"},
                                                   {"CgroupnsMode", "private"}});
    const std::string own = output_of(kReadNamespaces, json::object());
    CHECK_THAT(shared, !ContainsSubstring(own_link("cgroup")));
    CHECK_THAT(refusal_of({{"CgroupnsMode", "host"}}, 501), ContainsSubstring("CVE-2022-0492"));
    for (const char* ns : {"pid", "ipc", "uts"}) {
        CHECK_THAT(shared, ContainsSubstring(fmt::format("{} {}", ns, own_link(ns))));
        CHECK_THAT(own, !ContainsSubstring(own_link(ns)));
    }
    std::array<char, 65> name{};
    ::gethostname(name.data(), name.size() - 1);
    CHECK_THAT(shared, ContainsSubstring(std::string(name.data()) + "\n"));
    for (const char* member : {"PidMode", "IpcMode", "UTSMode", "CgroupnsMode"}) {
        CHECK_THAT(refusal_of({{member, "nobody"}}), ContainsSubstring(member));
    }
    const json body = {
        {"Image", "drydock/base"}, {"Hostname", "mine"}, {"HostConfig", {{"UTSMode", "host"}}}};
    CHECK_THAT(engine().call("POST", "/containers/create", body.dump()).body,
               ContainsSubstring("conflicting options"));
}

TEST_CASE("isolation: a container sees the processes of another one, and only while that runs",
          "[07][isolation][kernel]") {
    const std::string donor = engine().run("exec sleep 600");
    const std::string seen = output_of("ps -o args; readlink /proc/self/ns/pid",
                                       {{"PidMode", "container:" + donor.substr(0, 12)}});
    CHECK_THAT(seen, ContainsSubstring("sleep 600"));
    const std::string pid = std::to_string(engine().state(donor)["Pid"].get<int>());
    CHECK_THAT(seen, ContainsSubstring(fs::read_symlink("/proc/" + pid + "/ns/pid").native()));

    const std::string late =
        engine().create("true", {{"HostConfig", {{"PidMode", "container:" + donor}}}});
    engine().call("POST", "/containers/" + donor + "/kill");
    CHECK(engine().wait(donor) == 137);
    const Reply reply = engine().call("POST", "/containers/" + late + "/start");
    CHECK(reply.status == 409);
    CHECK_THAT(reply.body, ContainsSubstring("cannot join PID of a non running container"));
    CHECK_THAT(refusal_of({{"PidMode", "container:nobody"}}),
               ContainsSubstring("No such container: nobody"));
}

TEST_CASE("isolation: shared memory is of the size asked for, shared when so, and gone at the end",
          "[07][isolation][kernel]") {
    const std::string size = "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d ' ' -f 2,6";
    CHECK(output_of(size, json::object()) == "65536 /dev/shm\n");
    CHECK(output_of(size, {{"ShmSize", 8 << 20}}) == "8192 /dev/shm\n");
    CHECK_THAT(output_of("mount | grep -c /dev/shm", {{"IpcMode", "none"}}),
               ContainsSubstring("0"));

    const std::string donor =
        engine().run("echo shared > /dev/shm/word; exec sleep 600",
                     {{"HostConfig", {{"IpcMode", "shareable"}, {"ShmSize", 4 << 20}}}});
    const fs::path place = engine().run_root() / "shared" / donor / "shm";
    REQUIRE(drydock::testing::soon([&] { return fs::exists(place / "word"); }));
    CHECK(output_of(size + "; cat /dev/shm/word", {{"IpcMode", "container:" + donor}}) ==
          "4096 /dev/shm\nshared\n");
    engine().call("POST", "/containers/" + donor + "/kill");
    CHECK(engine().wait(donor) == 137);
    CHECK(drydock::testing::soon([&] { return !fs::exists(place.parent_path()); }));

    const std::string keeper = engine().create("true");
    CHECK_THAT(refusal_of({{"IpcMode", "container:" + keeper}}),
               ContainsSubstring("non-shareable IPC"));
}

TEST_CASE("isolation: before API 1.40 anybody's shared memory can be joined",
          "[07][isolation][kernel]") {
    const json body = {{"Image", "drydock/base"}, {"Cmd", {"sleep", "600"}}};
    const std::string id =
        engine().call("POST", "/v1.39/containers/create", body.dump()).json().at("Id");
    CHECK(engine().call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(output_of("true", {{"IpcMode", "container:" + id}}).empty());
    CHECK(engine().call("DELETE", "/containers/" + id + "?force=1").status == 204);
}

TEST_CASE("isolation: an exec is privileged when asked to be", "[07][isolation][kernel]") {
    const std::string id = engine().run("exec sleep 600");
    const auto run = [&](bool privileged) {
        const json body = {{"Cmd", {"grep", "CapEff", "/proc/self/status"}},
                           {"AttachStdout", true},
                           {"Privileged", privileged}};
        const std::string exec =
            engine().call("POST", "/containers/" + id + "/exec", body.dump()).json().at("Id");
        const std::string seen =
            TestDaemon::unframed(engine().call("POST", "/exec/" + exec + "/start", "{}").body);
        CHECK(engine().get("/exec/" + exec + "/json").json()["ProcessConfig"]["privileged"] ==
              privileged);
        return seen;
    };
    CHECK(run(true) == cap_line(~drydock::CapabilitySet{0} >> 23U));
    CHECK(run(false) == cap_line(drydock::kDefaultCapabilities));
    CHECK(engine().call("DELETE", "/containers/" + id + "?force=1").status == 204);
}
