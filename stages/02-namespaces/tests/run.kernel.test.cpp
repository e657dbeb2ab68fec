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

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::run_program;
using nlohmann::json;
using Words = std::vector<std::string>;

namespace {

constexpr unsigned kNobody = 65534;

/// A root with busybox and the probe, and the program beside it, where any user may read and run
/// them.
struct Fixture {
    drydock::TempDir dir{"drydock-test"};
    fs::path root = dir.path() / "root";
    fs::path program = dir.path() / "drydock-02";
    Fixture() {
        fs::permissions(dir.path(), fs::perms(0755));
        fs::create_directory(root);
        drydock::testing::make_test_rootfs(root);
        fs::copy_file(drydock::testing::program_path("drydock-02"), program);
    }
    /// Gives the root to nobody, who will make mount points in it.
    void give_to_nobody() const {
        drydock::check(::chown(root.c_str(), kNobody, kNobody), "chown(root)");
        for (const auto& entry : fs::recursive_directory_iterator(root)) {
            drydock::check(::lchown(entry.path().c_str(), kNobody, kNobody), "chown({})",
                           entry.path().native());
        }
    }
    /// drydock-02 run [flags] ROOTFS command
    [[nodiscard]] Words command(const Words& command, const Words& flags = {}) const {
        Words argv{program.native(), "run"};
        argv.insert(argv.end(), flags.begin(), flags.end());
        argv.push_back(root.native());
        argv.insert(argv.end(), command.begin(), command.end());
        return argv;
    }
    [[nodiscard]] Outcome run(const Words& words, const Words& flags = {},
                              const Words& env = {}) const {
        return run_program(command(words, flags), env);
    }
    [[nodiscard]] Outcome run_as_nobody(const Words& words, const Words& flags = {}) const {
        Words argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
        const Words rest = command(words, flags);
        argv.insert(argv.end(), rest.begin(), rest.end());
        return run_program(argv);
    }
};

json world(const Outcome& outcome) {
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return json::parse(outcome.out);
}

ino_t own_namespace(const std::string& name) {
    struct stat status{};
    ::stat(("/proc/self/ns/" + name).c_str(), &status);
    return status.st_ino;
}

/// The mount points of a mountinfo, sorted.
std::set<std::string> mount_points(const json& lines) {
    std::set<std::string> points;
    for (const json& line : lines) {
        std::istringstream in(line.get<std::string>());
        std::string word;
        for (int i = 0; i < 5; ++i) {
            in >> word;
        }
        points.insert(word);
    }
    return points;
}

std::string mountinfo() {
    return drydock::read_file("/proc/self/mountinfo");
}

/// Processes that have `text` in their command line.
int processes_with(const std::string& text) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        std::ifstream in(entry.path() / "cmdline");
        const std::string line(std::istreambuf_iterator<char>(in), {});
        count += line.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
}

bool soon(const std::function<bool()>& condition) {
    using namespace std::chrono_literals;
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < deadline) {
        if (condition()) {
            return true;
        }
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// A container that runs beside the test, its standard output in a pipe.
struct Background {
    drydock::Pipe out = drydock::make_pipe();
    drydock::Child child{};
    explicit Background(const Words& argv) {
        child = drydock::clone_child(0);
        if (!child) {
            ::signal(SIGTERM, SIG_DFL);  // the test runner's own
            ::signal(SIGINT, SIG_DFL);
            ::dup2(out.write.get(), 1);
            std::vector<char*> pointers;
            for (const std::string& word : argv) {
                pointers.push_back(const_cast<char*>(word.c_str()));
            }
            pointers.push_back(nullptr);
            ::execv(pointers[0], pointers.data());
            ::_exit(127);
        }
        out.write.close();
    }
    void await_output() const {
        char first = 0;
        REQUIRE(::read(out.read.get(), &first, 1) == 1);
    }
};

}  // namespace

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

TEST_CASE("drydock-02: exit statuses are exact, with and without init", "[02][run]") {
    const Fixture f;
    for (const Words& flags : {Words{}, Words{"--no-init"}}) {
        CHECK(f.run({"true"}, flags).status == 0);
        CHECK(f.run({"sh", "-c", "exit 42"}, flags).status == 42);
        CHECK(f.run({"/etc/passwd"}, flags).status == 126);
        const Outcome missing = f.run({"nowhere"}, flags);
        CHECK(missing.status == 127);
        CHECK(missing.err == "drydock-02: exec: \"nowhere\": executable file not found in $PATH\n");
    }
    CHECK(f.run({"sh", "-c", "kill -9 $$"}).status == 137);
}

TEST_CASE("drydock-02: PID 1 reaps orphans", "[02][run]") {
    const Fixture f;
    // The shell in the middle ends at once; its child becomes PID 1's.
    const char* script =
        "p=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); i=0;"
        "while [ -d /proc/$p ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done; [ ! -d /proc/$p "
        "]";
    CHECK(f.run({"sh", "-c", script}).status == 0);
}

TEST_CASE("drydock-02: what the command leaves running ends with it", "[02][run]") {
    const Fixture f;
    CHECK(f.run({"sh", "-c", "sleep 4711 & exit 3"}).status == 3);
    CHECK(soon([] {
        return processes_with(std::string("sleep\0"
                                          "4711",
                                          10)) == 0;
    }));
}

TEST_CASE("drydock-02: SIGTERM reaches the command, with and without init", "[02][run]") {
    const Fixture f;
    const Words script = {"sh", "-c", "trap 'exit 42' TERM; echo; while :; do sleep 0.02; done"};
    for (const Words& flags : {Words{}, Words{"--no-init"}}) {
        Background container(f.command(script, flags));
        container.await_output();
        container.child.signal(SIGTERM);
        CHECK(container.child.wait() == 42);
    }
}

TEST_CASE("drydock-02: a command that will not end goes at the third SIGINT", "[02][run]") {
    const Fixture f;
    Background container(
        f.command({"sh", "-c", "trap '' INT TERM; echo; while :; do sleep 0.02; done"}));
    container.await_output();
    for (int i = 0; i < 3; ++i) {
        container.child.signal(SIGINT);
        // Two of the same kind that are pending at once are one: give it the time to take each.
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(container.child.wait() == 137);
}

TEST_CASE("drydock-02: when it is killed, the container goes with it, whoever the user is",
          "[02][run]") {
    const Fixture f;
    const std::string mounts = mountinfo();
    for (const Words& flags : {Words{}, Words{"--user", "nobody"},
                               Words{"--no-init", "--user", "nobody"}, Words{"--userns"}}) {
        Background container(f.command({"sh", "-c", "echo; sleep 4712"}, flags));
        container.await_output();
        container.child.signal(SIGKILL);
        CHECK(container.child.wait() == 137);
        CHECK(soon([] { return processes_with("4712") == 0; }));
    }
    CHECK(mountinfo() == mounts);
}

TEST_CASE("drydock-02: killed or failing at any step it leaves nothing on the host", "[02][run]") {
    const Fixture f;
    const std::string mounts = mountinfo();
    for (const char* step : {"clone",          "id-maps",       "session",      "private-mounts",
                             "mount-rootfs",   "mounts",        "devices",      "device-links",
                             "pivot-root",     "hostname",      "loopback",     "masks",
                             "readonly-paths", "readonly-root", "workdir",      "rlimits",
                             "bounding-set",   "user",          "capabilities", "no-new-privs",
                             "landlock",       "seccomp",       "init",         "exec"}) {
        for (const char* what : {":kill", ":error=5"}) {
            const std::string fault = std::string(step) + what;
            INFO(fault);
            const Outcome outcome = f.run({"sleep", "0.4713"}, {}, {"DRYDOCK_FAIL=" + fault});
            CHECK((outcome.status == 125 || outcome.status == 137));
            CHECK(soon([] { return processes_with("0.4713") == 0; }));
        }
    }
    CHECK(mountinfo() == mounts);
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
