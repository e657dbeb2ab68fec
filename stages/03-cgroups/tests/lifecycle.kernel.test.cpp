// create, start, kill, delete, exec and the rest, as a caller of an OCI runtime sees them.
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "02-namespaces/terminal.hpp"
#include "02-namespaces/terminal_proxy.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "life.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using drydock::UniqueFd;
using namespace drydock::testing;

TEST_CASE("lifecycle: created, running, stopped, gone", "[03][lifecycle]") {
    const Life life(script("echo started > /tmp/mark; sleep 1000"));
    const fs::path mark = life.fixture().bundle() / "rootfs/tmp/mark";
    life.fixture().write(spec_text({.args = shell("echo started > /tmp/mark; exec sleep 1000"),
                                    .terminal = "false",
                                    .root = R"({"path": "rootfs"})"}));
    REQUIRE(life.create({"--pid-file", life.file("pid").native()}).status == 0);
    nlohmann::json state = life.state();
    CHECK(state.at("status") == "created");
    CHECK(state.at("ociVersion") == "1.2.0");
    CHECK(state.at("bundle") == life.fixture().bundle().native());
    const pid_t pid = state.at("pid").get<pid_t>();
    CHECK(drydock::read_file(life.file("pid")) == std::to_string(pid));
    CHECK(!fs::exists(mark));  // "any updates to config.json after this step MUST NOT affect…"
    life.fixture().write("{}");

    REQUIRE(life("start").status == 0);
    CHECK(life.status() == "running");
    CHECK(life.state().at("pid") == pid);
    CHECK(becomes_true([&] { return fs::exists(mark); }));
    CHECK_THAT(life("start").err, ContainsSubstring("cannot start a container that is running"));
    CHECK_THAT(life("delete").err, ContainsSubstring("is running; stop it first"));

    REQUIRE(life("kill", {}).status == 0);  // PID 1 ignores a TERM that it does not handle
    CHECK(life.with({"kill"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
    CHECK(life.state().at("pid") == 0);
    const Outcome killed = life.with({"kill"}, {"KILL"});
    CHECK(killed.status == 1);
    CHECK_THAT(killed.err, ContainsSubstring("container not running"));
    CHECK(life("delete").status == 0);
    CHECK(life.status().empty());
    CHECK(cgroups_named(life.id()).empty());
    const Outcome gone = life("delete");
    CHECK(gone.status == 1);
    CHECK_THAT(gone.err, ContainsSubstring("does not exist"));
}

TEST_CASE("lifecycle: what a created container refuses", "[03][lifecycle]") {
    const Life life(sleeping());
    CHECK_THAT(life("start").err, ContainsSubstring("does not exist"));
    CHECK_THAT(life("kill").err, ContainsSubstring("does not exist"));
    REQUIRE(life.create().status == 0);
    CHECK_THAT(life.create().err, ContainsSubstring("exists already"));
    CHECK_THAT(life("delete").err, ContainsSubstring("is created; stop it first"));
    CHECK_THAT(life("resume").err, ContainsSubstring("is created; expected one that is paused"));
    CHECK(life.with({"kill"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
    CHECK_THAT(life("start").err, ContainsSubstring("cannot start a container that is stopped"));
    CHECK(life("delete").status == 0);
}

TEST_CASE("lifecycle: a command that is not there is said by create, and nothing stays",
          "[03][lifecycle]") {
    const Life life({.args = R"(["nosuch"])", .terminal = "false"});
    const fs::path log = life.file("log.json");
    const Outcome outcome =
        run_program(life.fixture().runtime({"--log", log.native(), "--log-format", "json", "create",
                                            "-b", life.fixture().bundle().native(), life.id()}));
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("executable file not found in $PATH"));
    const auto line = nlohmann::json::parse(drydock::read_file(log));
    CHECK(line.at("level") == "error");
    CHECK_THAT(line.at("msg").get<std::string>(),
               ContainsSubstring("executable file not found in $PATH"));
    CHECK_THAT(line.at("time").get<std::string>(), ContainsSubstring("T"));
    CHECK(!fs::exists(life.fixture().root() / life.id()));
    CHECK(cgroups_named(life.id()).empty());
}

TEST_CASE("lifecycle: what execve refuses is said by start, and the container is stopped",
          "[03][lifecycle]") {
    const Life life({.args = R"(["/etc/broken"])", .terminal = "false"});
    const fs::path file = life.fixture().bundle() / "rootfs/etc/broken";
    std::ofstream(file) << "\x7f" << "ELF, or not";
    fs::permissions(file, fs::perms::all);
    REQUIRE(life.create().status == 0);
    const Outcome started = life("start");
    CHECK(started.status == 1);
    CHECK_THAT(started.err, ContainsSubstring("xec format error"));
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
}

TEST_CASE("lifecycle: a created container holds no file of the host open", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life.create().status == 0);
    const std::string directory = fmt::format("/proc/{}/fd", life.state().at("pid").get<int>());
    std::vector<std::string> open;
    const auto look = [&] {
        open.clear();
        for (const auto& entry : fs::directory_iterator(directory)) {
            std::error_code ignored;
            if (std::stoi(entry.path().filename().native()) > 2) {
                open.push_back(fs::read_symlink(entry.path(), ignored).native());
            }
        }
        return open.size();
    };
    // The socket at which it waits; that to `create` closes when it has been let go.
    REQUIRE(becomes_true([&] { return look() == 1; }));
    CHECK(open.front().starts_with("socket:"));
}

TEST_CASE("lifecycle: operations on one container wait for each other", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life.create().status == 0);
    std::vector<Child> starts;
    for (int i = 0; i < 8; ++i) {
        starts.push_back(start_program(life.fixture().runtime({"start", life.id()})));
    }
    int succeeded = 0;
    for (Child& start : starts) {
        succeeded += start.wait() == 0 ? 1 : 0;
    }
    CHECK(succeeded == 1);
    CHECK(life.status() == "running");

    std::vector<Child> removals;
    for (int i = 0; i < 8; ++i) {
        removals.push_back(start_program(life.fixture().runtime({"delete", "--force", life.id()})));
    }
    for (Child& removal : removals) {
        CHECK(removal.wait() == 0);
    }
    CHECK(life.status().empty());
}

TEST_CASE("lifecycle: run --detach is create and start", "[03][lifecycle]") {
    const Life life(sleeping());
    REQUIRE(life("run", {"-d", "-b", life.fixture().bundle().native()}).status == 0);
    CHECK(life.status() == "running");
}

TEST_CASE("lifecycle: run --keep leaves a stopped container", "[03][lifecycle]") {
    const Life life(script("exit 3"));
    CHECK(life("run", {"--keep", "-b", life.fixture().bundle().native()}).status == 3);
    CHECK(life.status() == "stopped");
    CHECK(life("delete").status == 0);
}

TEST_CASE("lifecycle: kill -9 of create at any step leaves what delete --force cleans",
          "[03][lifecycle]") {
    for (const char* step : {"cgroup", "clone", "id-maps", "private-mounts", "join-cgroup",
                             "mounts", "pivot-root", "user", "find-command", "await-start"}) {
        for (const char* what : {"kill", "kill-after"}) {
            if (std::string_view(step) == "await-start" && std::string_view(what) == "kill-after") {
                continue;  // that is after the start
            }
            CAPTURE(step, what);
            const Life life(sleeping());
            const Outcome outcome =
                run_to_files(life.fixture().runtime(
                                 {"create", "-b", life.fixture().bundle().native(), life.id()}),
                             fmt::format("DRYDOCK_FAIL={}:{}", step, what));
            CHECK(outcome.status != 0);
            CHECK((life.status() == "stopped" || life.status().empty()));
            CHECK(life("delete", {"--force"}).status == 0);
            CHECK(cgroups_named(life.id()).empty());
            CHECK(!fs::exists(life.fixture().root() / life.id()));
        }
    }
}

TEST_CASE("lifecycle: a reused pid is never signalled", "[03][lifecycle]") {
    const Life life(sleeping());
    life.up();
    const fs::path file = life.fixture().root() / life.id() / "state.json";
    nlohmann::json state = nlohmann::json::parse(drydock::read_file(file));
    const nlohmann::json before = state;
    Child bystander = start_program({"/bin/sleep", "1000"});
    state["init"]["pid"] = bystander.pid();  // its start time is another's
    std::ofstream(file) << state.dump();
    CHECK(life.with({"kill"}, {"KILL"}).status == 1);
    CHECK(life.status() == "stopped");
    CHECK_NOTHROW(bystander.signal(0));
    std::ofstream(file) << before.dump();
}

TEST_CASE("exec: runs in the container's namespaces and group, with its own exit status",
          "[03][exec]") {
    const Life life(sleeping());
    life.up();
    const pid_t pid = life.state().at("pid").get<pid_t>();
    const Outcome world = life.exec({"/probe"});
    INFO(world.err);
    REQUIRE(world.status == 0);
    const auto seen = nlohmann::json::parse(world.out);
    for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
        struct stat status{};
        CHECK(::stat(fmt::format("/proc/{}/ns/{}", pid, name).c_str(), &status) == 0);
        CAPTURE(name);
        CHECK(seen.at("namespaces").at(name) == status.st_ino);
    }
    CHECK(seen.at("hostname") == "runc");
    CHECK(seen.at("descriptors").size() == 3);
    CHECK(seen.at("status").at("NoNewPrivs") == "1");
    CHECK(seen.at("status").at("CapBnd") == "0000000020000420");
    CHECK(seen.at("status").at("CapInh") == "0000000000000000");
    CHECK(seen.at("signals_blocked").empty());
    for (const auto& line : seen.at("cgroup")) {
        CHECK(line.get<std::string>().ends_with(":/"));
    }
    CHECK(life.exec({"sh", "-c", "exit 7"}).status == 7);
    CHECK(life.exec({"sh", "-c", "kill -9 $$"}).status == 128 + SIGKILL);
    CHECK(life.exec({"nosuch"}).status == 127);
    CHECK(life.exec({"/etc/passwd"}).status == 126);
    CHECK(life.status() == "running");
}

TEST_CASE("exec: flags say who, where and with what", "[03][exec]") {
    const Life life(sleeping());
    life.up();
    CHECK(life.exec({"id", "-u"}, {"--user", "1000:1001"}).out == "1000\n");
    CHECK(life.exec({"id", "-G"}, {"--user", "1000:1001", "-g", "5", "-g", "7"}).out ==
          "1001 5 7\n");
    CHECK(life.exec({"pwd"}, {"--cwd", "/tmp"}).out == "/tmp\n");
    CHECK(life.exec({"sh", "-c", "echo $A$B"}, {"--env", "A=1", "-e", "B=2"}).out == "12\n");
    CHECK_THAT(life.exec({"grep", "CapEff", "/proc/self/status"}, {"--cap", "CAP_CHOWN"}).out,
               ContainsSubstring("0000000000000000") || ContainsSubstring("20000421"));
    CHECK_THAT(life.exec({"pwd"}, {"--user", "root"}).err, ContainsSubstring("expected UID[:GID]"));
    CHECK(life.exec({"pwd"}, {"--cwd", "/nowhere"}).status == 127);
    CHECK_THAT(life.exec({}).err, ContainsSubstring("expected a command"));
}

TEST_CASE("exec: a process of JSON, detached, with its pid in a file", "[03][exec]") {
    const Life life(sleeping());
    life.up();
    std::ofstream(life.file("process.json"))
        << R"({"args": ["sh", "-c", "echo $X > /dev/shm/mark; exec sleep 1000"], "env": ["X=yes", "PATH=/bin"], "cwd": "/tmp", "user": {"uid": 0, "gid": 0}})";
    const Outcome outcome = life("exec", {"--process", life.file("process.json").native(),
                                          "--detach", "--pid-file", life.file("pid").native()});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const pid_t pid = std::stoi(drydock::read_file(life.file("pid")));
    CHECK(::kill(pid, 0) == 0);
    CHECK(becomes_true([&] { return life.exec({"cat", "/dev/shm/mark"}).out == "yes\n"; }));
    const Outcome listed = life("ps", {"--format", "json"});
    const auto pids = nlohmann::json::parse(listed.out).get<std::vector<pid_t>>();
    CHECK(std::ranges::count(pids, pid) == 1);
    CHECK(pids.size() == 2);
    CHECK(life.with({"kill", "--all"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] {
        // The namespace's first process ends when the last other one is reaped, by us.
        ::waitpid(pid, nullptr, WNOHANG);
        return life.status() == "stopped";
    }));
    CHECK_THAT(life.exec({"true"}).err, ContainsSubstring("container not running"));
}

TEST_CASE("exec: a paused container refuses, unless asked to wait", "[03][exec]") {
    const Life life(sleeping());
    life.up();
    REQUIRE(life("pause").status == 0);
    CHECK(life.status() == "paused");
    CHECK_THAT(life.exec({"true"}).err, ContainsSubstring("is paused"));
    CHECK_THAT(life("pause").err, ContainsSubstring("is paused; expected"));
    REQUIRE(life("resume").status == 0);
    CHECK(life.status() == "running");
    CHECK(life.exec({"true"}).status == 0);
    REQUIRE(life("pause").status == 0);
    CHECK(life.with({"kill"}, {"KILL"}).status == 0);
    CHECK(becomes_true([&] { return life.status() == "stopped"; }));
}

TEST_CASE("terminal: create sends its other end to the console socket", "[03][terminal]") {
    const Life life({.args = shell("tty; stty size 2>/dev/null; test -t 0 && test -e /dev/console "
                                   "&& echo yes; exec sleep 1000")});
    const fs::path path = life.file("console.sock");
    const UniqueFd listening(
        drydock::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    drydock::check(
        ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "bind()");
    drydock::check(::listen(listening.get(), 1), "listen()");
    CHECK_THAT(life.create().err, ContainsSubstring("--console-socket"));
    const Outcome created = life.create({"--console-socket", path.native()});
    INFO(created.err);
    REQUIRE(created.status == 0);
    const UniqueFd connection(
        drydock::check(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept()"));
    const UniqueFd master = drydock::receive_descriptor(connection.get());
    REQUIRE(life("start").status == 0);
    std::string text;
    const bool complete = becomes_true([&] {
        std::array<char, 256> buffer{};
        const ssize_t n = ::read(master.get(), buffer.data(), buffer.size());
        text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return text.find("yes\r\n") != std::string::npos;
    });
    INFO(text);
    CHECK(complete);
    CHECK_THAT(text, ContainsSubstring("/dev/pts/0\r\n"));
}

TEST_CASE("terminal: run and exec -t sit between ours and the container's", "[03][terminal]") {
    const Life life({.args = shell("test -t 1 && echo a terminal")});
    const Outcome ran = life.fixture().run(life.id());
    CHECK(ran.out == "a terminal\r\n");
    CHECK(ran.status == 0);
    const Life other(sleeping());
    other.up();
    const Outcome outcome = other.exec({"sh", "-c", "tty; echo x > /dev/tty; exit 5"}, {"-t"});
    CHECK(outcome.out == "/dev/pts/0\r\nx\r\n");
    CHECK(outcome.status == 5);
    CHECK(other.exec({"sh", "-c", "echo x > /dev/tty"}).status != 0);  // no -t: no terminal
}

TEST_CASE("hooks: each gets the state, in its namespaces and in order", "[03][hooks]") {
    const Life life(sleeping());
    const fs::path log = life.file("hooks.log");
    const auto hook = [&](const std::string& name) {
        return R"([{"path": "/bin/sh", "args": ["sh", "-c", "printf ')" + name + R"( ' >> )" +
               log.native() + R"(; sed -n 's/.*\"status\": \"\\(.*\\)\".*/\\1/p' >> )" +
               log.native() + R"("], "env": ["PATH=/bin:/usr/bin"]}])";
    };
    std::string text = spec_text(sleeping());
    text.insert(
        1,
        R"("hooks": {"prestart": )" + hook("prestart") + R"(, "createRuntime": )" +
            hook("createRuntime") + R"(, "createContainer": )" + hook("createContainer") +
            R"(, "poststart": )" + hook("poststart") + R"(, "poststop": )" + hook("poststop") +
            R"(, "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "cat > /dev/shm/state"]}]},)");
    life.fixture().write(text);
    const Outcome created = life.create();
    INFO(created.err);
    REQUIRE(created.status == 0);
    CHECK(drydock::read_file(log) ==
          "prestart creating\ncreateRuntime creating\ncreateContainer creating\n");
    REQUIRE(life("start").status == 0);
    CHECK_THAT(life.exec({"cat", "/dev/shm/state"}).out, ContainsSubstring("\"created\""));
    CHECK(life("delete", {"--force"}).status == 0);
    CHECK(drydock::read_file(log) ==
          "prestart creating\ncreateRuntime creating\ncreateContainer creating\n"
          "poststart running\npoststop stopped\n");
}

TEST_CASE("hooks: one that fails or hangs ends the start, and nothing stays", "[03][hooks]") {
    for (const char* kind : {"prestart", "createRuntime", "createContainer"}) {
        CAPTURE(kind);
        const Life life(sleeping());
        std::string text = spec_text(sleeping());
        text.insert(1, std::string(R"("hooks": {")") + kind +
                           R"(": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]},)");
        life.fixture().write(text);
        const Outcome created = life.create();
        CHECK(created.status == 1);
        CHECK_THAT(created.err,
                   ContainsSubstring("/bin/sh: exit status 3") && ContainsSubstring(kind));
        CHECK(life.status().empty());
        CHECK(cgroups_named(life.id()).empty());
    }
    const Life life(sleeping());
    std::string text = spec_text(sleeping());
    text.insert(
        1,
        R"("hooks": {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]},)");
    life.fixture().write(text);
    CHECK_THAT(life.create().err, ContainsSubstring("no end after 1 s"));

    const Life late(sleeping());
    text = spec_text(sleeping());
    text.insert(1, R"("hooks": {"startContainer": [{"path": "/nosuch"}]},)");
    late.fixture().write(text);
    REQUIRE(late.create().status == 0);
    const Outcome started = late("start");
    CHECK(started.status == 1);
    CHECK_THAT(started.err, ContainsSubstring("startContainer /nosuch: exit status 127"));
    CHECK(becomes_true([&] { return late.status() == "stopped"; }));
}

TEST_CASE("drydock-runtime: flags of other runtimes are known, what is not done says so",
          "[03][lifecycle]") {
    const Life life(sleeping());
    const auto error_of = [&](const std::vector<std::string>& arguments) {
        const Outcome outcome = run_to_files(life.fixture().runtime(arguments));
        CHECK(outcome.status == 1);
        return outcome.err;
    };
    CHECK_THAT(error_of({"--systemd-cgroup", "create", "x"}),
               ContainsSubstring("not implemented: --systemd-cgroup"));
    CHECK_THAT(error_of({"--cgroup-manager", "systemd", "create", "x"}),
               ContainsSubstring("not implemented: --cgroup-manager systemd"));
    CHECK_THAT(error_of({"create", "--no-pivot", "x"}),
               ContainsSubstring("not implemented: --no-pivot"));
    CHECK_THAT(
        error_of({"create", "--preserve-fds", "30", "x", "-b", life.fixture().bundle().native()}),
        ContainsSubstring("descriptor 3 is not open") || ContainsSubstring("is not open"));
    fs::rename(life.file("config.json"), life.file("other.json"));
    CHECK(life.create({"--config", life.file("other.json").native()}).status == 0);
    const Outcome listed =
        run_program(life.fixture().runtime({"--cgroup-manager=cgroupfs", "list", "-f", "json"}));
    CHECK(nlohmann::json::parse(listed.out).at(0).at("id") == life.id());
}

TEST_CASE("spec: what it writes runs, with the default posture", "[03][spec]") {
    const Life life(sleeping());
    CHECK_THAT(run_program({"drydock-runtime", "spec", "-b", life.fixture().bundle().native()}).err,
               ContainsSubstring("exists already"));
    fs::remove(life.file("config.json"));
    REQUIRE(
        run_program({"drydock-runtime", "spec", "-b", life.fixture().bundle().native()}).status ==
        0);
    auto config = nlohmann::json::parse(drydock::read_file(life.file("config.json")));
    config["process"]["terminal"] = false;
    config["process"]["args"] = {"/probe"};
    life.fixture().write(config.dump());
    const Outcome outcome = life.fixture().run(life.id());
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto seen = nlohmann::json::parse(outcome.out);
    CHECK(seen.at("status").at("CapEff") == "00000000800405fb");
    CHECK(seen.at("status").at("CapBnd") == "00000000800405fb");
    CHECK(seen.at("status").at("CapInh") == "0000000000000000");
    CHECK(seen.at("status").at("CapAmb") == "0000000000000000");
    CHECK(seen.at("status").at("NoNewPrivs") == "1");
    CHECK(seen.at("status").at("Seccomp") == "2");
    CHECK(seen.at("descriptors").size() == 3);
}

TEST_CASE("features: is JSON that names the hooks and the namespaces", "[03][spec]") {
    const Outcome outcome = run_program({"drydock-runtime", "features"});
    const auto features = nlohmann::json::parse(outcome.out);
    CHECK(features.at("ociVersionMax") == "1.2.0");
    CHECK(features.at("hooks").size() == 6);
    CHECK(features.at("linux").at("seccomp").at("enabled") == true);
}

TEST_CASE("update, events: limits change while it runs, and are told", "[03][lifecycle]") {
    const Life life(sleeping());
    life.up();
    CHECK(life("update", {"--pids-limit", "7", "--memory", "32m"}).status == 0);
    const Outcome events = life("events", {"--stats"});
    INFO(events.err);
    const auto line = nlohmann::json::parse(events.out);
    CHECK(line.at("type") == "stats");
    CHECK(line.at("id") == life.id());
    CHECK(line.at("data").at("pids").at("limit") == 7);
    std::ofstream(life.file("resources.json")) << R"({"pids": {"limit": 9}})";
    CHECK(life("update", {"--resources", life.file("resources.json").native()}).status == 0);
    CHECK(
        nlohmann::json::parse(life("events", {"--stats"}).out).at("data").at("pids").at("limit") ==
        9);
    CHECK_THAT(life("update", {"--pids-limit", "many"}).err,
               ContainsSubstring("expected a number"));
}
