// drydock-02 as its user sees it, as root and as nobody.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/join.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"

#include "run_fixture.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

TEST_CASE("drydock-02: the command is PID 2 in namespaces of its own", "[02][run]") {
    const Fixture f;
    const json seen = world(f.run({"/probe"}));
    CHECK(seen["pid"] == 2);
    CHECK(seen["ppid"] == 1);
    CHECK(seen["processes"] == json({1, 2}));
    for (const char* name : {"pid", "mnt", "uts", "ipc", "net", "cgroup"}) {
        INFO(name);
        CHECK(seen["namespaces"][name] != own_namespace(name));
    }
    CHECK(seen["namespaces"]["user"] == own_namespace("user"));
    CHECK(seen["interfaces"] == json({{"lo", "up"}}));
    CHECK(seen["cgroup"][0].get<std::string>().ends_with(":/"));
    CHECK(seen["cwd"] == "/");
    CHECK(seen["signals_blocked"].empty());
}

TEST_CASE("drydock-02: --no-init makes the command PID 1", "[02][run]") {
    const Fixture f;
    CHECK(world(f.run({"/probe"}, {"--no-init"}))["pid"] == 1);
    CHECK(world(f.run({"/probe"}, {"--without", "init"}))["pid"] == 1);
}

TEST_CASE("drydock-02: the mounts are the declared ones and no others", "[02][run]") {
    const Fixture f;
    const json seen = world(f.run({"/probe"}));
    std::set<std::string> expected = {"/",        "/proc",       "/dev", "/dev/pts",
                                      "/dev/shm", "/dev/mqueue", "/sys"};
    for (const char* path :
         {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
          "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
          "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/bus",
          "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}) {
        if (fs::exists(path)) {
            expected.insert(path);
        }
    }
    CHECK(mount_points(seen["mounts"]) == expected);
    json names = seen["dev"];
    std::sort(names.begin(), names.end());
    CHECK(names == json({"fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                         "stdin", "stdout", "tty", "urandom", "zero"}));
}

TEST_CASE("drydock-02: nothing is mounted on the host, also where its mounts are shared",
          "[02][run]") {
    const Fixture f;
    const auto mounts_added = [&](const Words& flags) {
        return drydock::testing::in_mount_namespace([&] {
            drydock::check(::mount(f.root.c_str(), f.root.c_str(), nullptr, MS_BIND, nullptr),
                           "mount(MS_BIND)");
            drydock::check(::mount(nullptr, "/", nullptr, MS_SHARED | MS_REC, nullptr),
                           "mount(MS_SHARED)");
            const auto before = std::ranges::count(mountinfo(), '\n');
            static_cast<void>(f.run({"true"}, flags));
            return static_cast<int>(std::ranges::count(mountinfo(), '\n') - before);
        });
    };
    CHECK(mounts_added({}) == 0);
    CHECK(mounts_added({"--without", "private-mounts"}) > 0);  // so the test can see a leak
}

TEST_CASE("drydock-02: the host name inside is its own", "[02][run]") {
    const Fixture f;
    const std::string before = drydock::read_file("/proc/sys/kernel/hostname");
    CHECK(f.run({"hostname"}).out == "drydock\n");
    CHECK(f.run({"hostname"}, {"--hostname", "vessel"}).out == "vessel\n");
    CHECK(drydock::read_file("/proc/sys/kernel/hostname") == before);
}

TEST_CASE("drydock-02: capabilities, no_new_privs and a filter, as the default posture has them",
          "[02][run]") {
    const Fixture f;
    const json status = world(f.run({"/probe"}))["status"];
    CHECK(status["CapEff"] == "00000000a80425fb");
    CHECK(status["CapPrm"] == "00000000a80425fb");
    CHECK(status["CapBnd"] == "00000000a80425fb");
    CHECK(status["CapInh"] == "0000000000000000");
    CHECK(status["CapAmb"] == "0000000000000000");
    CHECK(status["NoNewPrivs"] == "1");
    CHECK(status["Seccomp"] == "2");
    const json fewer =
        world(f.run({"/probe"}, {"--cap-drop", "ALL", "--cap-add", "chown"}))["status"];
    CHECK(fewer["CapEff"] == "0000000000000001");
    CHECK(fewer["CapBnd"] == "0000000000000001");
}

TEST_CASE("drydock-02: --user has that user's groups and no capability", "[02][run]") {
    const Fixture f;
    const json seen = world(f.run({"/probe"}, {"--user", "nobody"}));
    CHECK(seen["uid"] == kNobody);
    CHECK(seen["gid"] == kNobody);
    CHECK(seen["groups"] == json({kNobody}));
    CHECK(seen["status"]["CapEff"] == "0000000000000000");
    CHECK(seen["status"]["CapPrm"] == "0000000000000000");
    CHECK(world(f.run({"/probe"}, {"--user", "1000:7"}))["gid"] == 7);
}

TEST_CASE("drydock-02: a set-user-ID file gives nobody root", "[02][run]") {
    const Fixture f;
    fs::permissions(f.root / "probe", fs::perms(04755));
    CHECK(world(f.run({"/probe"}, {"--user", "1000"}))["uid"] == 1000);
    CHECK(world(f.run({"/probe"}, {"--user", "1000", "--without", "no-new-privs", "--without",
                                   "seccomp"}))["uid"] == 0);
}

TEST_CASE(
    "drydock-02: masked paths are empty, others cannot be written, and no mount can be undone",
    "[02][run]") {
    const Fixture f;
    CHECK(f.run({"cat", "/proc/keys", "/proc/timer_list", "/proc/interrupts"}).out.empty());
    CHECK(f.run({"sh", "-c", "echo x > /proc/sys/kernel/hostname"}).status != 0);
    CHECK(f.run({"sh", "-c", "umount /proc/keys || mount -t proc proc /tmp"}).status != 0);
    CHECK(f.run({"cat", "/proc/timer_list"}, {"--without", "masks"}).out.size() > 100);
}

TEST_CASE("drydock-02: no descriptor but 0, 1, 2 is inherited, by the command or by PID 1",
          "[02][run]") {
    const Fixture f;
    const json seen = world(run_program({"sh", "-c", "exec 7</etc/passwd 8</; exec \"$@\"", "sh",
                                         f.program.native(), "run", f.root.native(), "/probe"}));
    CHECK(seen["descriptors"].size() == 3);
    // PID 1 has none, and the program that it is cannot be opened.
    CHECK(f.run({"ls", "/proc/1/fd"}).out.empty());
    CHECK(f.run({"cat", "/proc/1/exe"}).status != 0);
}

TEST_CASE("drydock-02: --read-only", "[02][run]") {
    const Fixture f;
    CHECK(f.run({"touch", "/x"}).status == 0);
    CHECK(f.run({"touch", "/y"}, {"--read-only"}).status != 0);
    CHECK(f.run({"touch", "/dev/shm/y"}, {"--read-only"}).status == 0);
}

TEST_CASE("drydock-02: --net host is the host's network", "[02][run]") {
    const Fixture f;
    CHECK(world(f.run({"/probe"}, {"--net", "host"}))["namespaces"]["net"] == own_namespace("net"));
}

TEST_CASE("drydock-02: --userns has a user namespace in which root is the caller", "[02][run]") {
    const Fixture f;
    const json seen = world(f.run({"/probe"}, {"--userns"}));
    CHECK(seen["uid"] == 0);
    CHECK(seen["namespaces"]["user"] != own_namespace("user"));
    CHECK(f.run({"sh", "-c", "echo x > /dev/null && test -c /dev/zero"}, {"--userns"}).status == 0);
}

TEST_CASE("drydock-02: nobody runs containers too", "[02][run]") {
    const Fixture f;
    f.give_to_nobody();
    const json seen = world(f.run_as_nobody({"/probe"}));
    CHECK(seen["uid"] == 0);
    CHECK(seen["pid"] == 2);
    CHECK(seen["uid_map"] == json({"         0      65534          1"}));
    for (const char* name : {"user", "pid", "mnt", "uts", "ipc", "net", "cgroup"}) {
        INFO(name);
        CHECK(seen["namespaces"][name] != own_namespace(name));
    }
    CHECK(seen["status"]["CapEff"] == "00000000a80425fb");
    CHECK(seen["status"]["Seccomp"] == "2");
    CHECK(seen["interfaces"] == json({{"lo", "up"}}));
    CHECK(f.run_as_nobody({"sh", "-c", "echo x > /file && echo x > /dev/null"}).status == 0);
    struct stat status{};
    REQUIRE(::stat((f.root / "file").c_str(), &status) == 0);
    CHECK(status.st_uid == kNobody);
    CHECK(f.run_as_nobody({"ls", "/sys/class/net/lo"}, {"--net", "host"}).status == 0);
    CHECK(f.run_as_nobody({"true"}, {"--user", "7"}).err ==
          "drydock-02: user: ID 7 is not mapped in this user namespace\n");
}

TEST_CASE("drydock-02: no root and no user namespaces is one clear line", "[02][run]") {
    const Fixture f;
    const int fact = drydock::testing::in_child([&] {
        const drydock::Child owner = drydock::clone_child(CLONE_NEWUSER);
        if (!owner) {
            while (true) {
                ::pause();
            }
        }
        drydock::write_id_maps(owner.pid(), drydock::own_id_maps());
        drydock::join_namespaces(owner.pidfd(), CLONE_NEWUSER);
        drydock::write_once(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");
        const Outcome outcome = f.run_as_nobody({"true"});
        const bool clear = outcome.err ==
                           "drydock-02: no root and no user namespaces: the sysctl "
                           "user.max_user_namespaces is 0, or run "
                           "as root\n";
        return clear && outcome.status == 125 ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("drydock-02: --explain tells each step, on both sides", "[02][run]") {
    const Fixture f;
    const Outcome outcome = f.run({"true"}, {"--explain"});
    CHECK(outcome.status == 0);
    for (const std::string text : {"CLONE_NEWPID|CLONE_NEWNS", "mount(source=proc, target=/proc",
                                   "pivot_root(new_root=", "sethostname(drydock)", "capset(",
                                   "seccomp(SECCOMP_SET_MODE_FILTER", "-> execve(2)"}) {
        CHECK_THAT(outcome.err, ContainsSubstring(text));
    }
}

TEST_CASE("drydock-02: each step can be left out, and what it did is missed", "[02][run]") {
    const Fixture f;
    CHECK(f.run({"hostname"}, {"--without", "hostname"}).out ==
          drydock::read_file("/proc/sys/kernel/hostname"));
    CHECK(world(f.run({"/probe"}, {"--without", "loopback"}))["interfaces"]["lo"] == "down");
    CHECK(world(f.run({"/probe"}, {"--without", "seccomp"}))["status"]["Seccomp"] == "0");
    CHECK(world(f.run({"/probe"}, {"--without", "bounding-set", "--without",
                                   "capabilities"}))["status"]["CapEff"] != "00000000a80425fb");
    CHECK_THAT(f.run({"true"}, {"--without", "mount-rootfs"}).err,
               ContainsSubstring("pivot_root(new_root="));
    CHECK_THAT(f.run({"true"}, {"--without", "x"}).err,
               ContainsSubstring("--without x: expected one of id-maps, "));
}

TEST_CASE("drydock-02: wrong input is one line that says what would be right, and 125",
          "[02][run]") {
    const Fixture f;
    const std::pair<Words, std::string> wrong[] = {
        {{"--net", "bridge"}, "--net: expected none or host, got \"bridge\""},
        {{"--user", "-1"}, "user \"-1\": expected an ID from 0 to 4294967294 or a name\n"},
        {{"--user", "nosuch"}, "user \"nosuch\": not in /etc/passwd of the root\n"},
        {{"--cap-add", "X"},
         "capability X: expected a name of capabilities(7), such as CAP_NET_RAW\n"},
        {{"--hostname", std::string(65, 'x')}, "expected at most 64 bytes, got 65\n"},
        {{"--nonsense"}, "--nonsense"},
    };
    for (const auto& [flags, message] : wrong) {
        const Outcome outcome = f.run({"true"}, flags);
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.err, ContainsSubstring(message));
    }
    CHECK(run_program({"drydock-02", "run", "/nowhere", "true"}).err ==
          "drydock-02: rootfs /nowhere: no such directory\n");
}
