// exec, terminals and hooks, as a caller of an OCI runtime sees them.
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
#include "03-cgroups/state.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "life.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using drydock::UniqueFd;
using namespace drydock::testing;

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
