// What a container may try against its runtime. Where a step is the defence the test leaves that
// step out as well and sees the attack succeed.
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "01-chroot/check.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "life.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using drydock::Child;
using drydock::UniqueFd;

namespace {

constexpr const char* kAllCapabilities =
    R"(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_KILL", "CAP_SETUID",
        "CAP_SETGID", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_MKNOD"])";

/// config.json of a container whose root may do almost anything.
std::string mighty(const SpecParts& parts) {
    std::string text = spec_text(parts);
    for (const char* set : {"bounding", "effective", "permitted"}) {
        const auto begin = text.find('[', text.find(std::string("\"") + set + "\": ["));
        text.replace(begin, text.find(']', begin) - begin + 1, kAllCapabilities);
    }
    return text;
}

/// Runs a program in a session of its own whose controlling terminal is `terminal`, which is also
/// its standard input.
int run_at_terminal(const std::vector<std::string>& argv, int terminal) {
    Child child = drydock::clone_child(0);
    if (!child) {
        ::setsid();
        ::ioctl(terminal, TIOCSCTTY, 0);
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(terminal, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        become_program(argv);
    }
    return child.wait();
}

/// A process of ours in the container that sits there with `input` as its standard input.
Child hold_in_container(const std::vector<std::string>& argv, int input) {
    Child child = drydock::clone_child(0);
    if (!child) {
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(input, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        become_program(argv);
    }
    return child;
}

}  // namespace

TEST_CASE(
    "attack A1: the runtime that a container makes run in it cannot be overwritten from there",
    "[03][attack]") {
    if (kSanitized) {
        skip_test("a program with sanitizers does not start inside a container");
        return;
    }
    SpecParts parts = sleeping();
    parts.root = R"({"path": "rootfs"})";
    const Life life(parts);
    life.fixture().write(mighty(parts));
    // A copy: when the defence is gone it is this that gets overwritten.
    const fs::path runtime = life.file("drydock-runtime");
    fs::copy_file(program_path("drydock-runtime"), runtime);
    const std::string before = drydock::read_file(runtime);
    fs::create_symlink("/proc/self/exe", life.fixture().bundle() / "rootfs/evil");
    std::vector<std::string> argv =
        life.fixture().runtime({"exec", life.id(), "/evil", "update", "--resources", "-", "x"});
    argv.front() = runtime.native();
    life.up();

    drydock::Pipe input = drydock::make_pipe();
    Child held = hold_in_container(argv, input.read.get());
    const std::string attack =
        "for i in $(busybox seq 500); do p=$(grep -la 'resource[s]' /proc/[0-9]*/cmdline "
        "2>/dev/null | head -n 1); p=${p%/cmdline}; if [ -n \"$p\" ]; then "
        "exec 9<$p/exe; kill -9 ${p#/proc/}; for j in $(busybox seq 500); do "
        "[ -e $p/exe ] || break; busybox usleep 1000; done; echo reached; "
        "(echo overwritten > /proc/self/fd/9) 2>&1; exit; fi; busybox usleep 10000; done";
    const Outcome outcome = life.exec({"busybox", "sh", "-c", attack});
    INFO(outcome.out << outcome.err);
    input.write.close();
    held.wait();
    CHECK_THAT(outcome.out, ContainsSubstring("reached"));
    CHECK_THAT(outcome.out + outcome.err, ContainsSubstring("Read-only file system"));
    CHECK(drydock::read_file(runtime) == before);
}

TEST_CASE("attack A2: a working directory through a descriptor of ours leads nowhere",
          "[03][attack]") {
    const Life life(sleeping());
    life.up();
    fs::create_symlink("/proc/self/fd/8", life.fixture().bundle() / "rootfs/w");
    std::vector<std::string> directories = {"/w"};
    for (int fd = 3; fd < 24; ++fd) {
        directories.push_back(fmt::format("/proc/self/fd/{}", fd));
    }
    for (const std::string& directory : directories) {
        CAPTURE(directory);
        const Outcome outcome =
            life.exec({"sh", "-c", "pwd; cat state.json cgroup.procs 2>&1"}, {"--cwd", directory});
        CHECK(outcome.status != 0);
        CHECK(outcome.out.empty());
    }
    for (std::size_t i = 0; i < directories.size(); i += 4) {
        CAPTURE(directories[i]);
        const Life other({.args = shell("pwd; ls"), .cwd = directories[i], .terminal = "false"});
        fs::create_symlink("/proc/self/fd/8", other.fixture().bundle() / "rootfs/w");
        const Outcome outcome = other.fixture().run(other.id());
        CHECK(outcome.status != 0);
        CHECK(outcome.out.empty());
    }
}

TEST_CASE("attack A2: a directory of the host that is handed over is no working directory",
          "[03][attack]") {
    // Two stand in the way. The second alone, too.
    for (const std::vector<std::string>& flags :
         {std::vector<std::string>{}, {"--without", "make-workdir"}}) {
        const Life life({.args = shell("pwd; ls"), .cwd = "/proc/self/fd/3", .terminal = "false"});
        std::vector<std::string> arguments = {"run", "--preserve-fds", "1", "-b",
                                              life.fixture().bundle().native()};
        arguments.insert(arguments.end(), flags.begin(), flags.end());
        arguments.push_back(life.id());
        Child child = drydock::clone_child(0);
        if (!child) {
            const int host = ::open("/", O_RDONLY | O_DIRECTORY);
            const int out = ::open(life.file("out").c_str(), O_WRONLY | O_CREAT, 0600);
            ::dup2(out, 1);
            ::dup2(out, 2);
            ::dup2(host, 3);
            become_program(life.fixture().runtime(arguments));
        }
        CHECK(child.wait() != 0);
        CHECK_THAT(drydock::read_file(life.file("out")),
                   ContainsSubstring("/proc/self/fd/3") && !ContainsSubstring("unreachable"));
    }
}

TEST_CASE("attack B1: who watches every new process from inside never sees a path of the host",
          "[03][attack]") {
    SpecParts parts = sleeping();
    const Life life(parts);
    life.fixture().write(mighty(parts));
    life.up();
    std::ofstream(life.file("watch.json"))
        << R"({"args": ["/probe", "watch-processes", "/dev/shm/seen"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "capabilities": {"bounding": )"
        << kAllCapabilities << R"(, "effective": )" << kAllCapabilities << R"(, "permitted": )"
        << kAllCapabilities << "}}";
    REQUIRE(life("exec", {"--process", life.file("watch.json").native(), "-d"}).status == 0);
    for (int i = 0; i < 60; ++i) {
        CHECK(life.exec({"true"}).status == 0);
    }
    const std::string seen = life.exec({"sh", "-c", "busybox sort -u /dev/shm/seen"}).out;
    INFO(seen);
    CHECK_THAT(seen, ContainsSubstring("/dev/null"));
    const std::string host = life.fixture().root().parent_path().filename().native();
    CHECK_THAT(seen, !ContainsSubstring(host));
    CHECK_THAT(seen, !ContainsSubstring("cgroup"));
    CHECK_THAT(seen, !ContainsSubstring("pidfd"));
}

TEST_CASE("attack B2: what a container types into the terminal that it inherits goes nowhere",
          "[03][attack]") {
    // setsid(2) is the defence: what is inherited is not the session's own terminal. (Where
    // CAP_SYS_ADMIN is held it would take the filter; who has that can do worse.)
    const UniqueFd master(
        drydock::check(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt()"));
    ::unlockpt(master.get());
    const UniqueFd peer(drydock::check(
        ::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "TIOCGPTPEER"));
    termios raw{};
    ::tcgetattr(peer.get(), &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(peer.get(), TCSANOW, &raw);
    const auto typed_by = [&](const std::vector<std::string>& flags) {
        const Life life({.args = R"(["/probe", "type-into-terminal"])", .terminal = "false"});
        std::vector<std::string> arguments = {"run", "-b", life.fixture().bundle().native()};
        arguments.insert(arguments.end(), flags.begin(), flags.end());
        arguments.push_back(life.id());
        const int status = run_at_terminal(life.fixture().runtime(arguments), peer.get());
        int waiting = 0;
        ::ioctl(peer.get(), FIONREAD, &waiting);
        ::tcflush(peer.get(), TCIOFLUSH);
        CHECK((status == 0) == (waiting > 0));
        return waiting;
    };
    CHECK(typed_by({}) == 0);
    const fs::path switched = "/proc/sys/dev/tty/legacy_tiocsti";  // since Linux 6.2
    if (!fs::exists(switched) || drydock::read_file(switched) == "1\n") {
        CHECK(typed_by({"--without", "session"}) > 0);  // the attack itself works
    }
}

TEST_CASE("attack B3: names that a terminal would obey are written out", "[03][attack]") {
    constexpr const char* kEscape = "\x1b";
    // Of a command that is not there, of a property that is unknown, of a bundle's directory.
    SpecParts parts = script("true");
    parts.args = R"(["\u001b]52;c;aGk=\u0007"])";
    parts.linux_extra = R"("\u001b[2J": 1, )";
    const Life life(parts);
    const Outcome failed = life.fixture().run(life.id());
    CHECK(failed.status != 0);
    CHECK_THAT(failed.err, ContainsSubstring("\\x1b]52;c;aGk=\\x07") &&
                               ContainsSubstring("\\x1b[2J") && !ContainsSubstring(kEscape));
    const fs::path moved = life.fixture().root().parent_path() / (std::string("b") + kEscape + "c");
    life.fixture().write(spec_text(script("true")));
    fs::rename(life.fixture().bundle(), moved);
    CHECK(
        run_to_files(life.fixture().runtime({"create", "-b", moved.native(), life.id()})).status ==
        0);
    const Outcome listed = run_program(life.fixture().runtime({"list"}));
    CHECK_THAT(listed.out, ContainsSubstring("b\\x1bc") && !ContainsSubstring(kEscape));
}

TEST_CASE("attack B4: keys of the host's session are out of reach", "[03][attack]") {
    const auto found_by = [](const std::vector<std::string>& flags) {
        return in_child([&] {
            ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "drydock-test");
            ::syscall(SYS_add_key, "user", "drydock-secret", "s", 1, KEY_SPEC_SESSION_KEYRING);
            const Life life(
                {.args = R"(["/probe", "find-key", "drydock-secret"])", .terminal = "false"});
            std::vector<std::string> arguments = {"run", "-b", life.fixture().bundle().native()};
            arguments.insert(arguments.end(), flags.begin(), flags.end());
            arguments.push_back(life.id());
            return run_program(life.fixture().runtime(arguments)).status == 0 ? 1 : 0;
        });
    };
    CHECK(found_by({}) == 0);
    CHECK(found_by({"--no-new-keyring"}) == 1);  // the attack itself works
}

TEST_CASE("attack B5: a user that is not root has no capability, and a file gives it none",
          "[03][attack]") {
    const Life life(sleeping());
    life.up();
    std::ofstream(life.file("process.json"))
        << R"({"args": ["/probe"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 1000, "gid": 1000},
               "capabilities": {"bounding": ["CAP_NET_RAW"], "effective": ["CAP_NET_RAW"], "permitted": ["CAP_NET_RAW"]}})";
    for (const std::vector<std::string>& flags :
         {std::vector<std::string>{"--process", life.file("process.json").native()}}) {
        const Outcome outcome = life("exec", flags);
        INFO(outcome.err);
        const auto status = nlohmann::json::parse(outcome.out).at("status");
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
            CAPTURE(set);
            CHECK(status.at(set) == "0000000000000000");
        }
        CHECK(status.at("CapBnd") == "0000000000002000");
    }
}

TEST_CASE("attack B6: groups of who starts the runtime are not the container's", "[03][attack]") {
    const int wrong = in_child([] {
        const std::array<gid_t, 3> groups = {4, 24, 27};
        drydock::check(::setgroups(groups.size(), groups.data()), "setgroups()");
        const Life life(script("id -G > /dev/shm/groups; exec sleep 1000"));
        if (life.create().status != 0 || life("start").status != 0) {
            return 1;
        }
        const bool of_init =
            becomes_true([&] { return life.exec({"cat", "/dev/shm/groups"}).out == "0\n"; });
        const bool of_exec = life.exec({"id", "-G"}).out == "0\n";
        const bool asked_for = life.exec({"id", "-G"}, {"-g", "7"}).out == "0 7\n";
        return of_init && of_exec && asked_for ? 0 : 2;
    });
    CHECK(wrong == 0);
}

TEST_CASE("attack A11: what is too long is refused whole, never cut", "[03][attack]") {
    const Life life(sleeping());
    std::string text = spec_text(script("echo never"));
    const std::string variable = "\"A=" + std::string(1000, 'x') + "\", ";
    std::string many;
    for (int i = 0; i < 4000; ++i) {
        many += variable;
    }
    text.insert(text.find("\"env\": [") + 8, many);
    life.fixture().write(text);
    const Outcome too_much = life.fixture().run(life.id());
    CHECK(too_much.status != 0);
    CHECK(too_much.out.empty());
    CHECK_THAT(too_much.err, ContainsSubstring("argument list too long"));
    std::string mappings;
    for (int i = 0; i < 4000; ++i) {
        mappings += fmt::format(R"({}{{"containerID": {}, "hostID": {}, "size": 1}})",
                                i == 0 ? "" : ",", i, 100000 + i);
    }
    SpecParts parts = script("echo never");
    parts.linux_extra =
        R"("uidMappings": [)" + mappings + R"(], "gidMappings": [)" + mappings + "],";
    parts.namespaces =
        R"([{"type":"pid"},{"type":"ipc"},{"type":"mount"},{"type":"user"},{"type":"uts"}])";
    life.fixture().write(spec_text(parts));
    const Outcome mapped = life.fixture().run(life.id());
    CHECK(mapped.status != 0);
    CHECK(mapped.out.empty());
    CHECK(std::count(mapped.err.begin(), mapped.err.end(), '\n') == 1);
}
