// Further commands and terminals, by the functions that ask a container's shim.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "01-chroot/error.hpp"
#include "03-cgroups/shim_zygote.hpp"
#include "03-cgroups/state.hpp"

#include "shim_clients.hpp"

namespace fs = std::filesystem;
using drydock::InputError;
using drydock::ShimExec;
using drydock::ShimZygote;
using drydock::StartedContainer;
using drydock::UniqueFd;
using namespace drydock::testing;

namespace {

/// `process` of the runtime-spec for a shell script.
std::string process(const std::string& script, bool terminal = false) {
    return R"({"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin:/usr/bin", "A=b"], "args": )" +
           shell(script) + R"(, "terminal": )" + (terminal ? "true" : "false") + "}";
}

}  // namespace

TEST_CASE("exec: streams, exit status and environment", "[03][shim-exec]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    SocketPair pair = socket_pair();
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(),
        {.process = process("cat; echo $A; echo fault >&2; exit 7"),
         .attachment = drydock::Attachment{.socket = std::move(pair.theirs), .in = true}});
    CHECK(exec.pid() > 0);
    CHECK(!exec.exit_status());
    say(pair.ours, "in\n");
    ::shutdown(pair.ours.get(), SHUT_WR);
    CHECK(all_of(pair.ours) == "in\nb\nfault\n");
    // It is there before the socket is closed.
    CHECK(exec.exit_status() == 7);
    CHECK(fixture.logged().empty());
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("exec: no signal is blocked, and to wait for the end takes no processor",
          "[03][shim-exec]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    SocketPair pair = socket_pair();
    const auto processor_ms = [] {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
    };
    // No shell: that sets a mask of its own.
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(),
        {.process = R"({"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args":
                        ["busybox", "grep", "SigBlk", "/proc/self/status"]})",
         .attachment = drydock::Attachment{.socket = std::move(pair.theirs)}});
    CHECK(exec.wait() == 0);
    CHECK(all_of(pair.ours) == "SigBlk:\t0000000000000000\n");
    ShimExec second = drydock::shim_exec(fixture.bundle(), {.process = process("sleep 1")});
    const auto before = processor_ms();
    CHECK(second.wait() == 0);
    CHECK(processor_ms() - before < 200);
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("exec: what cannot be run says so on its error output", "[03][shim-exec]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    const std::pair<const char*, int> cases[] = {
        {R"({"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["nosuch"], "env": ["PATH=/bin"]})",
         127},
        {R"({"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/etc"]})", 126},
        {R"({"user": {"uid": 0, "gid": 0}, "cwd": "relative", "args": ["sh"]})", 125},
        {"{", 125}};
    for (const auto& [text, status] : cases) {
        SocketPair pair = socket_pair();
        ShimExec exec = drydock::shim_exec(
            fixture.bundle(),
            {.process = text, .attachment = drydock::Attachment{.socket = std::move(pair.theirs)}});
        CHECK(!all_of(pair.ours).empty());
        CHECK(exec.wait() == status);
    }
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("exec: detached, it goes on without us, and ends with the container", "[03][shim-exec]") {
    AttachFixture fixture(
        command("for n in 1 2; do while [ ! -e /dev/shm/$n ]; do sleep 0.02; done; echo $n; done; "
                "sleep 1000"));
    const StartedContainer started = fixture.start();
    static_cast<void>(
        drydock::shim_exec(fixture.bundle(), {.process = process("echo x > /dev/shm/1")}));
    CHECK(becomes_true([&] { return fixture.logged() == "1\n"; }));
    // Killed sooner, it would not have come to run anything.
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(), {.process = process("echo x > /dev/shm/2; exec sleep 1000")});
    CHECK(becomes_true([&] { return fixture.logged() == "1\n2\n"; }));
    kill_it(started);
    finished(fixture, started);
    CHECK(exec.wait() == 128 + SIGKILL);
    CHECK_THROWS_AS(drydock::shim_exec(fixture.bundle(), {.process = process("true")}), InputError);
}

TEST_CASE("exec: what it leaves running does not keep its streams open", "[03][shim-exec]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    SocketPair pair = socket_pair();
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(), {.process = process("sleep 1000 & echo left"),
                           .attachment = drydock::Attachment{.socket = std::move(pair.theirs)}});
    CHECK(all_of(pair.ours) == "left\n");
    CHECK(exec.wait() == 0);
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("exec: a slow reader holds up the exec alone, and no memory is needed",
          "[03][shim-exec]") {
    AttachFixture fixture(command("while :; do echo tick; sleep 0.02; done"));
    const StartedContainer started = fixture.start();
    SocketPair pair = socket_pair();
    const long before = memory_of(started.shim_pidfd, "Pss_Anon");
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(), {.process = process("busybox head -c 134217728 /dev/zero"),
                           .attachment = drydock::Attachment{.socket = std::move(pair.theirs)}});
    std::size_t got = 0;
    std::array<char, 65536> buffer{};
    while (got < 20000000) {
        const ssize_t n = ::read(pair.ours.get(), buffer.data(), buffer.size());
        REQUIRE(n > 0);
        got += static_cast<std::size_t>(n);
    }
    const std::string ticks = fixture.logged();
    CHECK(becomes_true([&] { return fixture.logged().size() > ticks.size() + 20; }));
    CHECK(!exec.exit_status());
    CHECK(memory_of(started.shim_pidfd, "Pss_Anon") < before + 512);
    pair.ours = UniqueFd();  // a reader that goes lets it run to its end
    CHECK(exec.wait() == 0);
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("exec: 200 of them leave nothing in the shim", "[03][shim-exec]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    CHECK(drydock::shim_exec(fixture.bundle(), {.process = process("true")}).wait() == 0);
    const std::size_t before = descriptors_of(started.shim_pidfd);
    for (int i = 0; i < 200; ++i) {
        SocketPair pair = socket_pair();
        ShimExec exec = drydock::shim_exec(
            fixture.bundle(),
            {.process = process("exit 3"),
             .attachment = drydock::Attachment{.socket = std::move(pair.theirs)}});
        REQUIRE(exec.wait() == 3);
    }
    CHECK(becomes_true([&] { return descriptors_of(started.shim_pidfd) <= before; }));
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("terminal: the command has one of its size, which can be changed", "[03][terminal]") {
    AttachFixture fixture(
        {.args = shell("stty size; tty; read -r l; stty size; echo got $l"), .terminal = "true"});
    fixture.request.open_stdin = true;
    fixture.request.rows = 33;
    fixture.request.columns = 111;
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs), .in = true});
    const StartedContainer started = fixture.start();
    CHECK_THAT(until(pair.ours, "/dev/"), ContainsSubstring("33 111\r\n"));
    drydock::shim_resize(fixture.bundle(), 10, 20);
    say(pair.ours, "hello\n");
    const std::string rest = all_of(pair.ours);
    CHECK_THAT(rest, ContainsSubstring("10 20\r\n") && ContainsSubstring("got hello\r\n"));
    CHECK(finished(fixture, started) == 0);
    CHECK_THAT(fixture.logged(), ContainsSubstring("33 111\r\n"));
}

TEST_CASE("exec: with a terminal, sized before it is there", "[03][terminal]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    SocketPair pair = socket_pair();
    ShimExec exec = drydock::shim_exec(
        fixture.bundle(),
        {.process = process("sleep 0.3; stty size; read -r l; echo got $l; exit 4", true),
         .terminal = true,
         .attachment = drydock::Attachment{.socket = std::move(pair.theirs), .in = true}});
    exec.resize(7, 77);
    CHECK_THAT(until(pair.ours, "\r\n"), ContainsSubstring("7 77"));
    say(pair.ours, "x\n");
    CHECK_THAT(all_of(pair.ours), ContainsSubstring("got x"));
    CHECK(exec.wait() == 4);
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("zygote: its shims are as others, and live on without it", "[03][zygote]") {
    AttachFixture first(command("read -r l; echo got $l; exit 6"));
    first.request.open_stdin = true;
    first.request.log_limits = {.max_bytes = 100000, .max_files = 2};
    SocketPair pair = socket_pair();
    first.request.attachments.push_back({.socket = std::move(pair.theirs), .in = true});
    StartedContainer started;
    {
        ShimZygote zygote;
        started = zygote.start(std::move(first.request));
    }
    const pid_t shim = pid_of(started.shim_pidfd);
    CHECK(::getsid(shim) == shim);  // what ends the zygote's session does not end it
    say(pair.ours, "x\n");
    CHECK(all_of(pair.ours) == "got x\n");
    REQUIRE(ends(started.shim_pidfd));
    const auto record = drydock::read_exit_record(first.bundle());
    REQUIRE(record);
    CHECK(record->exit_status == 6);
    CHECK(first.logged() == "got x\n");
    CHECK(cgroups_named(first.id).empty());
}

TEST_CASE("zygote: a start that fails is an exception, and the next one works", "[03][zygote]") {
    AttachFixture missing({.args = R"(["nosuch"])", .terminal = "false"});
    ShimZygote zygote;
    try {
        static_cast<void>(zygote.start(std::move(missing.request)));
        FAIL("it started");
    } catch (const drydock::SetupError& e) {
        CHECK(e.exit_status() == 127);
    }
    AttachFixture fine(command("exit 5"));
    const StartedContainer started = zygote.start(std::move(fine.request));
    REQUIRE(ends(started.shim_pidfd));
    CHECK(drydock::read_exit_record(fine.bundle())->exit_status == 5);
}

TEST_CASE("zygote: one that was killed is replaced, its shims go on", "[03][zygote]") {
    AttachFixture before(command("sleep 1000"));
    ShimZygote zygote;
    const StartedContainer running = zygote.start(std::move(before.request));
    AttachFixture after(command("exit 5"));
    const pid_t zygote_pid = drydock::parent_of(pid_of(running.shim_pidfd));
    REQUIRE(zygote_pid > 1);
    REQUIRE(::kill(zygote_pid, SIGKILL) == 0);
    const StartedContainer started = zygote.start(std::move(after.request));
    REQUIRE(ends(started.shim_pidfd));
    CHECK(drydock::read_exit_record(after.bundle())->exit_status == 5);
    CHECK(!ends(running.shim_pidfd, 50));
    kill_it(running);
    CHECK(ends(running.shim_pidfd));
    CHECK(drydock::read_exit_record(before.bundle())->exit_status == 128 + SIGKILL);
}
