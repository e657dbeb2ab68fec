// Attacks through paths, mounts and descriptors that a root or a volume prepares. Each was seen red
// on runc 1.1.5 (DRYDOCK_RUNTIME=/usr/sbin/runc) or with that one defence taken out:
// docs/threat-model.md.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using namespace drydock::testing;
using nlohmann::json;

namespace {

/// A tree of the host that no container may change, and all that there is to see of it.
class Canary {
  public:
    explicit Canary(fs::path place) : place_(std::move(place)) {
        fs::create_directories(place_ / "directory");
        std::ofstream(place_ / "file") << "untouched\n";
        fs::create_symlink("file", place_ / "link");
        before_ = seen();
    }
    [[nodiscard]] bool untouched() const { return seen() == before_; }
    [[nodiscard]] const fs::path& path() const { return place_; }

  private:
    [[nodiscard]] std::vector<std::string> seen() const {
        std::vector<std::string> all = {line(place_)};
        for (const auto& entry : fs::recursive_directory_iterator(place_)) {
            all.push_back(line(entry.path()));
        }
        std::sort(all.begin(), all.end());
        return all;
    }
    static std::string line(const fs::path& path) {
        struct stat s{};
        drydock::check(::lstat(path.c_str(), &s), "lstat({})", path.native());
        return fmt::format("{} {} {:o} {}:{} {} {}.{}", path.native(), s.st_ino, s.st_mode,
                           s.st_uid, s.st_gid, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    }

    fs::path place_;
    std::vector<std::string> before_{};
};

void check_attack_refused(const ConformanceBundle& bundle) {
    const Outcome outcome = bundle.run();
    CHECK(outcome.status != 0);
    CHECK(outcome.out.empty());
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
}

/// Exchanges two names for each other until it is ended.
Child start_swapper(const fs::path& one, const fs::path& other) {
    Child child = drydock::clone_child(0);
    if (!child) {
        while (true) {
            ::syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(),
                      2U /* RENAME_EXCHANGE */);
        }
    }
    return child;
}

std::size_t host_mounts() {
    const std::string text = drydock::read_file("/proc/self/mountinfo");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("A3: a mount target that becomes a link to the host leads nowhere outside",
          "[03][security]") {
    constexpr int kStarts = 150;
    for (const char* leads_to : {"/", "../../../../../..", "/proc/self/root"}) {
        CAPTURE(leads_to);
        ConformanceBundle bundle;
        const Canary canary(bundle.host("canary"));
        const fs::path volume = bundle.host("volume");
        fs::create_directories(volume / "target" / "tmp");
        fs::create_symlink(leads_to, volume / "link");
        std::ofstream(bundle.host("data") / "file") << "x";
        bundle.add_mount("/mnt", "bind", volume.native(), {"rbind"});
        const std::string inside = "/mnt/target" + canary.path().native();
        bundle.add_mount(inside, "tmpfs", "t", {"size=64k"});
        bundle.add_mount(inside + "/made", "bind", bundle.host("data").native(), {"bind", "ro"});
        bundle.add_mount("/mnt/target" + canary.path().native() + "/file2", "bind",
                         (bundle.host("data") / "file").native(), {"bind"});
        bundle.shell("true");
        bundle.write();
        const std::size_t mounts = host_mounts();
        const Child swapper = start_swapper(volume / "target", volume / "link");
        for (int i = 0; i < kStarts; ++i) {
            static_cast<void>(bundle.run_written());  // works, or fails cleanly
        }
        CHECK(canary.untouched());
        CHECK(host_mounts() == mounts);
    }
}

TEST_CASE("A4: what hides files is the null device, whatever the root has in its place",
          "[03][security]") {
    const char* const stand_ins[] = {"/proc/sys/kernel/domainname", "/etc/passwd", "/dev/zero"};
    for (const char* stand_in : stand_ins) {
        CAPTURE(stand_in);
        ConformanceBundle bundle;
        const fs::path dev = bundle.host("dev");
        fs::create_symlink(stand_in, dev / "null");
        bundle.add_mount("/dev", "bind", dev.native(), {"bind"});
        bundle.linux_part()["maskedPaths"] = {"/proc/timer_list"};
        bundle.shell("grep timer_list /proc/self/mountinfo; echo started");
        check_attack_refused(bundle);
    }
}

TEST_CASE("A4: a link in the place of the null device is swapped in while containers start",
          "[03][security]") {
    ConformanceBundle bundle;
    const fs::path dev = bundle.host("dev");
    drydock::check(::mknod((dev / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), "mknod()");
    fs::create_symlink("/proc/sys/kernel/domainname", dev / "link");
    bundle.add_mount("/dev", "bind", dev.native(), {"bind"});
    bundle.linux_part()["maskedPaths"] = {"/proc/timer_list"};
    bundle.shell(
        "grep -q '/sys/kernel' /proc/self/mountinfo && echo BROKEN; wc -c < /proc/timer_list");
    bundle.write();
    const Child swapper = start_swapper(dev / "null", dev / "link");
    int hidden = 0;
    for (int i = 0; i < 150; ++i) {
        const Outcome outcome = bundle.run_written();
        if (outcome.status == 0) {
            CHECK(outcome.out == "0\n");
            ++hidden;
        }
    }
    CHECK(hidden > 0);
}

TEST_CASE("A5: /proc is a proc filesystem at /proc, with nothing mounted below", "[03][security]") {
    ConformanceBundle link;
    fs::remove(link.rootfs() / "proc");
    fs::create_symlink("tmp", link.rootfs() / "proc");
    link.shell("echo started");
    check_attack_refused(link);

    for (const char* place : {"/proc", "/proc/self/attr", "/proc/sys/net", "/proc/sys/kernel",
                              "/proc/self/exe", "/tmp/../proc/sys"}) {
        CAPTURE(place);
        ConformanceBundle bundle;
        bundle.add_mount(place, "tmpfs", "t", {});
        bundle.shell("echo started");
        check_attack_refused(bundle);
        bundle.config["mounts"].back() =
            ConformanceBundle::mount(place, "bind", bundle.host("data").native(), {"bind"});
        check_attack_refused(bundle);
    }
}

TEST_CASE("A5: a figure of the container's own may be mounted over the host's", "[03][security]") {
    ConformanceBundle bundle;
    std::ofstream(bundle.host("data") / "uptime") << "1.00 1.00\n";
    bundle.add_mount("/proc/uptime", "bind", (bundle.host("data") / "uptime").native(), {"bind"});
    bundle.shell("cat /proc/uptime");
    CHECK(bundle.run().out == "1.00 1.00\n");
}

TEST_CASE("A6: nothing is made where a link in the place of /dev leads", "[03][security]") {
    for (const bool with_mount : {true, false}) {
        CAPTURE(with_mount);
        ConformanceBundle bundle;
        const Canary canary(bundle.host("canary"));
        fs::remove(bundle.rootfs() / "dev");
        fs::create_symlink(canary.path(), bundle.rootfs() / "dev");
        if (!with_mount) {
            json& mounts = bundle.config["mounts"];
            mounts.erase(mounts.begin() + 1, mounts.end());
        }
        bundle.shell("echo started");
        check_attack_refused(bundle);
        CHECK(canary.untouched());
    }
}

TEST_CASE("A7: a working directory, a volume and a file go nowhere outside the root by its links",
          "[03][security]") {
    ConformanceBundle bundle;
    const Canary canary(bundle.host("canary"));
    fs::create_symlink(canary.path() / "new", bundle.rootfs() / "work");
    fs::create_symlink(canary.path(), bundle.rootfs() / "conf");
    fs::create_symlink("../../../../../../.." + canary.path().native(), bundle.rootfs() / "up");
    std::ofstream(bundle.host("data") / "hosts") << "h";
    bundle.process()["cwd"] = "/srv/deep";
    bundle.add_mount("/conf/hosts", "bind", (bundle.host("data") / "hosts").native(), {"bind"});
    bundle.add_mount("/up/volume", "tmpfs", "t", {});
    bundle.shell("cat " + canary.path().native() + "/file");
    const Outcome outcome = bundle.run();
    CHECK_THAT(outcome.out, !ContainsSubstring("untouched"));
    CHECK(canary.untouched());
}

TEST_CASE("A8: no way leads back to the host's root", "[03][security]") {
    ConformanceBundle bundle;
    const Canary canary(bundle.host("canary"));
    const std::string file = (canary.path() / "file").native();
    bundle.capabilities({"CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"});
    const std::size_t mounts = host_mounts();
    bundle.process()["args"] = {"/probe", "leave-root", file};
    CHECK(bundle.run().status == 1);
    CHECK(fs::exists(bundle.rootfs() / "tmp/jail"));  // it was tried
    bundle.shell("cat /../../.." + file + " /proc/1/root" + file + " /proc/1/cwd/../../.." + file);
    CHECK(bundle.run().out.empty());
    bundle.shell("wc -l < /proc/self/mountinfo");
    CHECK(std::stoul(bundle.run().out) <= 4);  // the root, /proc, /dev, /dev/pts
    CHECK(host_mounts() == mounts);
}

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

TEST_CASE("C4: only sysctls of the container's own namespaces are set", "[03][security]") {
    const std::string pattern = drydock::read_file("/proc/sys/kernel/core_pattern");
    for (const char* key : {"kernel.core_pattern", "kernel.shm_rmid_forced=1+kernel.core_pattern",
                            "net.../../kernel/core_pattern", "net/../kernel/core_pattern",
                            "kernel.hostname", "vm.overcommit_memory", "fs.file-max"}) {
        CAPTURE(key);
        ConformanceBundle bundle;
        bundle.linux_part()["sysctl"] = {{key, "x"}};
        bundle.shell("echo started");
        check_attack_refused(bundle);
    }
    ConformanceBundle shared;
    json kept = json::array();
    for (const json& ns : shared.linux_part()["namespaces"]) {
        if (ns["type"] != "network") {
            kept.push_back(ns);
        }
    }
    shared.linux_part()["namespaces"] = kept;
    shared.linux_part()["sysctl"] = {{"net.ipv4.ip_forward", "0"}};
    shared.shell("echo started");
    check_attack_refused(shared);
    CHECK(drydock::read_file("/proc/sys/kernel/core_pattern") == pattern);
}

TEST_CASE("B7: IDs that are none are refused, not cut to fit", "[03][security]") {
    const json ids[] = {-1, 4294967295U, 4294967296ULL, "0", "0x0", 1.5, json::array()};
    for (const json& id : ids) {
        CAPTURE(id.dump());
        for (const char* field : {"uid", "gid"}) {
            ConformanceBundle bundle;
            bundle.process()["user"][field] = id;
            bundle.shell("echo started");
            check_attack_refused(bundle);
        }
    }
    ConformanceBundle bundle;
    bundle.process()["user"] = {{"uid", 2147483648U}, {"gid", 2147483648U}};
    CHECK(bundle.world()["uid"] == 2147483648U);
    // A name that looks like a number gives nobody another ID.
    std::ofstream(bundle.rootfs() / "etc/passwd") << "1000:x:0:0::/:/bin/sh\n";
    bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
    CHECK(bundle.world()["uid"] == 1000);
}

TEST_CASE("B7: a passwd that is a pipe, a device or endless neither hangs nor helps",
          "[03][security]") {
    for (const char* kind : {"fifo", "sparse", "kmsg"}) {
        CAPTURE(kind);
        ConformanceBundle bundle;
        const fs::path passwd = bundle.rootfs() / "etc/passwd";
        fs::remove(passwd);
        if (std::string(kind) == "fifo") {
            drydock::check(::mkfifo(passwd.c_str(), 0666), "mkfifo()");
        } else if (std::string(kind) == "sparse") {
            std::ofstream(passwd) << "";
            drydock::check(::truncate(passwd.c_str(), off_t{4} << 30), "truncate()");
        } else {
            fs::create_symlink("/proc/kmsg", passwd);
        }
        bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
        bundle.process()["args"] = {"/probe"};
        const Outcome outcome = bundle.run();
        const json world = json::parse(outcome.out, nullptr, false);
        CHECK((outcome.status != 0 || world["uid"] == 1000));
    }
}
