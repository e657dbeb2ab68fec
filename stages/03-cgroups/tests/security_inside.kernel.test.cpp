// What a process inside may do to files, volumes, devices and namespaces.
// Each was seen red on runc 1.1.5 (DRYDOCK_RUNTIME=/usr/sbin/runc) or with that one defence taken
// out: docs/threat-model.md.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

TEST_CASE("A9: no file of the cgroup tree can be written", "[03][security]") {
    for (const bool user_namespace : {false, true}) {
        CAPTURE(user_namespace);
        ConformanceBundle bundle;
        bundle.add_mount("/sys", "sysfs", "sysfs", {"ro", "nosuid", "noexec", "nodev"});
        bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
        if (user_namespace) {
            bundle.linux_part()["namespaces"].push_back({{"type", "user"}});
            const json maps = json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
            bundle.linux_part()["uidMappings"] = maps;
            bundle.linux_part()["gidMappings"] = maps;
        }
        bundle.capabilities({"CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_KILL"});
        bundle.shell(
            "busybox find /sys/fs/cgroup -type f -writable 2>/dev/null | while read f; do "
            "case $f in *release_agent|*cgroup.procs|*notify_on_release) "
            "(echo 0 > $f) 2>/dev/null && echo WRITABLE $f;; esac; done; "
            "mount -t cgroup c /tmp 2>/dev/null && echo MOUNTED; "
            "mount -t cgroup2 c /tmp 2>/dev/null && echo MOUNTED; "
            "cut -d: -f3 /proc/self/cgroup | busybox sort -u; echo end");
        const Outcome outcome = bundle.run();
        CHECK(outcome.out == "/\nend\n");
    }
}

TEST_CASE("A10: read-only reaches the mounts below a volume", "[03][security]") {
    const int written = in_mount_namespace([] {
        ConformanceBundle bundle;
        const fs::path volume = bundle.host("volume");
        fs::create_directories(volume / "below");
        drydock::check(::mount("t", (volume / "below").c_str(), "tmpfs", 0, ""), "mount()");
        bundle.add_mount("/mnt", "bind", volume.native(), {"rbind", "ro"});
        bundle.shell("touch /mnt/x; touch /mnt/below/x");
        static_cast<void>(bundle.run());
        const int written_to = static_cast<int>(fs::exists(volume / "x")) +
                               2 * static_cast<int>(fs::exists(volume / "below/x"));
        ::umount2((volume / "below").c_str(), MNT_DETACH);
        return written_to;
    });
    CHECK(written == 0);
}

TEST_CASE("A10: a volume's own nosuid, nodev and noexec stay when it is bound and remounted",
          "[03][security]") {
    for (const bool user_namespace : {false, true}) {
        CAPTURE(user_namespace);
        const std::string line = text_from_child([user_namespace] {
            std::string seen;
            in_mount_namespace([] { return 0; });
            drydock::check(::unshare(CLONE_NEWNS), "unshare()");
            drydock::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount()");
            ConformanceBundle bundle;
            const fs::path volume = bundle.host("volume");
            drydock::check(
                ::mount("t", volume.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
                "mount()");
            bundle.add_mount("/mnt", "bind", volume.native(), {"rbind", "ro"});
            bundle.add_mount("/mnt", "bind", "none", {"remount", "bind", "ro"});
            if (user_namespace) {
                bundle.linux_part()["namespaces"].push_back({{"type", "user"}});
                const json maps =
                    json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
                bundle.linux_part()["uidMappings"] = maps;
                bundle.linux_part()["gidMappings"] = maps;
            }
            bundle.shell("grep ' /mnt ' /proc/self/mountinfo");
            const Outcome outcome = bundle.run();
            ::umount2(volume.c_str(), MNT_DETACH);
            return outcome.out + outcome.err;
        });
        for (const char* flag : {" ro,", "nosuid", "nodev", "noexec"}) {
            CHECK_THAT(line, ContainsSubstring(flag));
        }
    }
}

TEST_CASE("A10: a set-user-ID file on a volume without it gives nothing", "[03][security]") {
    ConformanceBundle bundle;
    const fs::path volume = bundle.host("volume");
    fs::copy_file(program_path("drydock-probe"), volume / "probe");
    drydock::check(::chmod((volume / "probe").c_str(), 04755), "chmod()");
    bundle.capabilities({"CAP_SETUID"});
    bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
    bundle.add_mount("/mnt", "bind", volume.native(), {"bind"});
    bundle.process()["args"] = {"/mnt/probe"};
    CHECK(json::parse(bundle.run().out)["uid"] == 0);  // it would
    bundle.config["mounts"].back()["options"] = {"bind", "nosuid"};
    CHECK(json::parse(bundle.run().out)["uid"] == 1000);
}

TEST_CASE("C7: a set-user-ID file gives nothing under noNewPrivileges", "[03][security]") {
    ConformanceBundle bundle;
    fs::copy_file(program_path("drydock-probe"), bundle.rootfs() / "raised");
    drydock::check(::chmod((bundle.rootfs() / "raised").c_str(), 04755), "chmod()");
    bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
    bundle.process()["args"] = {"/raised"};
    CHECK(json::parse(bundle.run().out)["uid"] == 0);  // it would
    bundle.process()["noNewPrivileges"] = true;
    const json world = json::parse(bundle.run().out);
    CHECK(world["uid"] == 1000);
    CHECK(world["status"]["NoNewPrivs"] == "1");
}

TEST_CASE("C8: a container has every namespace of its own that it does not ask to share",
          "[03][security]") {
    const auto of_host = [](const std::string& name) {
        struct stat status{};
        drydock::check(::stat(("/proc/self/ns/" + name).c_str(), &status), "stat(ns/{})", name);
        return status.st_ino;
    };
    ConformanceBundle bundle;
    const json seen = bundle.world().at("namespaces");
    for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
        CAPTURE(name);
        CHECK(seen.at(name) != of_host(name));
    }
    bundle.process()["args"] = {"/bin/sh", "-c", "while :; do busybox sleep 1; done"};
    bundle.write();
    const std::string id = ConformanceBundle::id();
    const auto runtime = [&](const std::vector<std::string>& arguments) {
        return run_to_files(bundle.command(arguments));
    };
    REQUIRE(runtime({"run", "--detach", "-b", bundle.directory().native(), id}).status == 0);
    const Outcome more = runtime({"exec", id, "/probe"});
    const json world = json::parse(more.out, nullptr, false);
    const json of_exec = world.is_object() ? world.at("namespaces") : json::object();
    static_cast<void>(runtime({"delete", "--force", id}));
    for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
        CAPTURE(name, more.err);
        CHECK(of_exec.value(name, ino_t{0}) != 0);
        CHECK(of_exec.value(name, ino_t{0}) != of_host(name));
    }
}

TEST_CASE("C3: nodes that are made inside or come with a volume open nothing, after update too",
          "[03][security]") {
    ConformanceBundle bundle;
    const fs::path volume = bundle.host("volume");
    drydock::check(::mknod((volume / "brought").c_str(), S_IFCHR | 0666, makedev(1, 11)),
                   "mknod()");
    bundle.add_mount("/mnt", "bind", volume.native(), {"bind"});
    bundle.linux_part()["resources"]["devices"] = {{{"allow", false}, {"access", "rwm"}}};
    bundle.capabilities({"CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYSLOG"});
    bundle.shell("while :; do busybox sleep 1; done");
    bundle.write();
    const std::string id = ConformanceBundle::id();
    const auto runtime = [&](const std::vector<std::string>& arguments) {
        return run_to_files(bundle.command(arguments));
    };
    REQUIRE(runtime({"run", "--detach", "-b", bundle.directory().native(), id}).status == 0);
    const std::string script =
        "cd /tmp; rm -f *; busybox mknod kmsg c 1 11; busybox mknod null c 1 3; "
        "busybox mknod disk b 254 0; for f in kmsg disk /mnt/brought null; do "
        "(: >> $f) 2>/dev/null && echo opened $f; done; ls";
    const std::string wanted = "opened null\ndisk\nkmsg\nnull\n";
    CHECK(runtime({"exec", id, "/bin/sh", "-c", script}).out == wanted);
    CHECK(runtime({"update", "--pids-limit", "50", id}).status == 0);
    CHECK(runtime({"exec", id, "/bin/sh", "-c", script}).out == wanted);
    static_cast<void>(runtime({"delete", "--force", id}));
}
