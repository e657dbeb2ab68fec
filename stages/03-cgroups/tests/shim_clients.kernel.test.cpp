// Who is attached to a container, by the functions that ask its shim.
#include "shim_clients.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <sstream>

#include "01-chroot/error.hpp"

#include "testing/skip.hpp"

namespace fs = std::filesystem;
using drydock::InputError;
using drydock::read_file;
using drydock::StartedContainer;
using drydock::UniqueFd;
using namespace drydock::testing;

TEST_CASE("attach: before the start nothing is lost, and the socket ends with the command",
          "[03][attach]") {
    AttachFixture fixture(command("echo out; echo err >&2; exit 3"));
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs)});
    const StartedContainer started = fixture.start();
    const std::string all = all_of(pair.ours);
    CHECK((all == "out\nerr\n" || all == "err\nout\n"));
    CHECK(finished(fixture, started) == 3);
    CHECK(!fs::exists(fixture.bundle() / "shim.sock"));
}

TEST_CASE("attach: frames tell the two outputs apart", "[03][attach]") {
    AttachFixture fixture(command("printf out; sleep 0.2; printf fault >&2"));
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs), .framed = true});
    const StartedContainer started = fixture.start();
    using namespace std::string_literals;
    CHECK(all_of(pair.ours) == "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\5fault"s);
    finished(fixture, started);
}

TEST_CASE("attach: a client gets the outputs it wants", "[03][attach]") {
    AttachFixture fixture(command("echo out; echo err >&2"));
    SocketPair only_out = socket_pair();
    SocketPair only_err = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(only_out.theirs), .err = false});
    fixture.request.attachments.push_back({.socket = std::move(only_err.theirs), .out = false});
    const StartedContainer started = fixture.start();
    CHECK(all_of(only_out.ours) == "out\n");
    CHECK(all_of(only_err.ours) == "err\n");
    finished(fixture, started);
}

TEST_CASE("attach: input reaches the command, and its end ends the input", "[03][attach]") {
    AttachFixture fixture(command("cat; echo end"));
    SocketPair pair = socket_pair();
    fixture.request.open_stdin = true;
    fixture.request.stdin_once = true;
    fixture.request.attachments.push_back(
        {.socket = std::move(pair.theirs), .in = true, .already_read = "first "});
    const StartedContainer started = fixture.start();
    say(pair.ours, "second\n");
    CHECK(::shutdown(pair.ours.get(), SHUT_WR) == 0);
    CHECK(all_of(pair.ours) == "first second\nend\n");
    finished(fixture, started);
}

TEST_CASE("attach: a mebibyte goes in and comes out again", "[03][attach]") {
    AttachFixture fixture(command("sleep 0.2; cat"));
    SocketPair pair = socket_pair();
    fixture.request.open_stdin = true;
    fixture.request.stdin_once = true;
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs), .in = true});
    const StartedContainer started = fixture.start();
    std::string text;
    while (text.size() < (std::size_t{1} << 20U)) {
        text += "line " + std::to_string(text.size()) + "\n";
    }
    std::string got;
    std::size_t sent = 0;
    while (got.size() < text.size()) {
        pollfd event{.fd = pair.ours.get(),
                     .events = static_cast<short>(POLLIN | (sent < text.size() ? POLLOUT : 0)),
                     .revents = 0};
        REQUIRE(::poll(&event, 1, 20000) == 1);
        if ((event.revents & POLLOUT) != 0) {
            const ssize_t n = ::send(pair.ours.get(), text.data() + sent, text.size() - sent,
                                     MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? static_cast<std::size_t>(n) : 0;
            if (sent == text.size()) {
                ::shutdown(pair.ours.get(), SHUT_WR);
            }
        }
        if ((event.revents & POLLIN) != 0) {
            std::array<char, 65536> buffer{};
            const ssize_t n = ::read(pair.ours.get(), buffer.data(), buffer.size());
            REQUIRE(n > 0);
            got.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
    CHECK(got == text);
    CHECK(finished(fixture, started) == 0);
}

TEST_CASE("attach: input that the command does not take holds nothing else up", "[03][attach]") {
    AttachFixture fixture(command("read -r l; echo got $l; sleep 1000"));
    fixture.request.open_stdin = true;
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs), .in = true});
    const StartedContainer started = fixture.start();
    say(pair.ours, "x\n");
    CHECK(until(pair.ours, "got") == "got x\n");
    const std::string much(1000, 'y');  // no divisor of a pipe's size
    pollfd full{.fd = pair.ours.get(), .events = POLLOUT, .revents = 0};
    constexpr int kTakenNoMoreMs = 200;
    while (::poll(&full, 1, kTakenNoMoreMs) == 1) {
        REQUIRE(::send(pair.ours.get(), much.data(), much.size(), MSG_DONTWAIT) > 0);
    }
    SocketPair other = socket_pair();
    const drydock::ShimExec exec = drydock::shim_exec(
        fixture.bundle(),
        {.process = R"({"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": )" +
                    shell("echo there") + "}",
         .attachment = drydock::Attachment{.socket = std::move(other.theirs)}});
    CHECK(until(other.ours, "\n") == "there\n");
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("attach: without stdin_once the input outlives whoever writes it", "[03][attach]") {
    AttachFixture fixture(command("while read -r l; do echo got $l; done; echo end"));
    fixture.request.open_stdin = true;
    const StartedContainer started = fixture.start();
    for (const std::string word : {"one", "two"}) {
        SocketPair pair = socket_pair();
        drydock::shim_attach(fixture.bundle(), {.socket = std::move(pair.theirs), .in = true});
        say(pair.ours, word + "\n");
        until(pair.ours, "got " + word);
    }
    SocketPair silent = socket_pair();
    drydock::shim_attach(fixture.bundle(), {.socket = std::move(silent.theirs), .in = true});
    ::shutdown(silent.ours.get(), SHUT_WR);
    CHECK(!ends(started.pidfd, 200));
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("attach: the end of who wrote the input before it was taken loses none of it",
          "[03][attach]") {
    AttachFixture fixture(command("sleep 0.3; cat"));
    fixture.request.open_stdin = true;
    fixture.request.stdin_once = true;
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(pair.theirs), .in = true});
    const StartedContainer started = fixture.start();
    // More than a pipe holds, so that the rest waits in the socket of a client that is gone.
    const std::string text(150000, 'x');
    say(pair.ours, text);
    pair.ours.close();
    CHECK(finished(fixture, started) == 0);
    CHECK(fixture.logged() == text);
}

TEST_CASE("attach: several see the same, and who comes later sees what is later", "[03][attach]") {
    AttachFixture fixture(command("echo ready; read -r l; echo said $l"));
    fixture.request.open_stdin = true;
    SocketPair first = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(first.theirs)});
    const StartedContainer started = fixture.start();
    until(first.ours, "ready\n");
    SocketPair second = socket_pair();
    drydock::shim_attach(fixture.bundle(), {.socket = std::move(second.theirs), .in = true});
    say(second.ours, "hello\n");
    CHECK(all_of(first.ours) == "said hello\n");
    CHECK(all_of(second.ours) == "said hello\n");
    finished(fixture, started);
}

TEST_CASE("attach: the detach keys end the attachment and nothing else", "[03][attach]") {
    AttachFixture fixture(command("while read -r l; do echo got $l; done; echo end"));
    fixture.request.open_stdin = true;
    fixture.request.stdin_once = true;
    SocketPair pair = socket_pair();
    fixture.request.attachments.push_back(
        {.socket = std::move(pair.theirs), .in = true, .detach_keys = "\x10\x11"});
    const StartedContainer started = fixture.start();
    say(pair.ours, "a\x10");
    say(pair.ours, "b\n");  // half of the sequence is input like any other
    CHECK_THAT(until(pair.ours, "\n"), ContainsSubstring("got a\x10"
                                                         "b"));
    say(pair.ours, "\x10");
    say(pair.ours, "\x11");
    CHECK(all_of(pair.ours).empty());
    CHECK(!ends(started.pidfd, 100));
    SocketPair again = socket_pair();
    drydock::shim_attach(fixture.bundle(), {.socket = std::move(again.theirs), .in = true});
    say(again.ours, "c\n");
    ::shutdown(again.ours.get(), SHUT_WR);
    CHECK(all_of(again.ours) == "got c\nend\n");
    finished(fixture, started);
}

TEST_CASE("attach: who takes nothing does not stop the container, and is told what was left out",
          "[03][attach]") {
    AttachFixture fixture(command(
        "busybox head -c 3000000 /dev/zero | busybox tr '\\\\0' 'x'; echo; echo done; read -r l"));
    fixture.request.open_stdin = true;
    fixture.request.hold = std::chrono::milliseconds(300);
    SocketPair stuck = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(stuck.theirs)});
    const StartedContainer started = fixture.start();
    CHECK(becomes_true([&] { return fixture.logged().ends_with("done\n"); }));
    // A reader that comes back gets what was kept for it, the notice, and what comes from then on.
    const std::string seen = until(stuck.ours, "left out");
    CHECK(seen.size() < 1000000);
    SocketPair pair = socket_pair();
    drydock::shim_attach(fixture.bundle(), {.socket = std::move(pair.theirs), .in = true});
    say(pair.ours, "x\n");
    CHECK(finished(fixture, started) == 0);
    CHECK(std::ranges::count(fixture.logged(), 'x') == 3000000);
}

TEST_CASE("attach: a slow reader that reads on loses nothing", "[03][attach]") {
    constexpr std::size_t kBytes = 3000000;
    AttachFixture fixture(command("busybox head -c 3000000 /dev/zero"));
    SocketPair slow = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(slow.theirs)});
    const StartedContainer started = fixture.start();
    std::size_t got = 0;
    while (true) {
        std::array<char, 50000> buffer{};
        const ssize_t n = ::read(slow.ours.get(), buffer.data(), buffer.size());
        if (n <= 0) {
            break;
        }
        got += static_cast<std::size_t>(n);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(got == kBytes);
    finished(fixture, started);
}

TEST_CASE("attach: a container ends at once, and who reads later still gets all of it",
          "[03][attach]") {
    constexpr std::size_t kBytes = 250000;  // more than the socket holds, less than with one piece
    AttachFixture fixture(command("busybox head -c 250000 /dev/zero; echo the end"));
    SocketPair later = socket_pair();
    fixture.request.attachments.push_back({.socket = std::move(later.theirs)});
    const StartedContainer started = fixture.start();
    finished(fixture, started);
    const std::string got = all_of(later.ours);
    CHECK(got.size() == kBytes + 8);
    CHECK(got.ends_with("the end\n"));
}

TEST_CASE("attach: a thousand clients that go leave nothing in the shim", "[03][attach]") {
    AttachFixture fixture(command("while :; do echo tick; sleep 0.01; done"));
    fixture.request.open_stdin = true;
    const StartedContainer started = fixture.start();
    for (int i = 0; i < 20; ++i) {
        SocketPair pair = socket_pair();
        drydock::shim_attach(fixture.bundle(), {.socket = std::move(pair.theirs), .in = true});
    }
    const std::size_t before = descriptors_of(started.shim_pidfd);
    // Anonymous memory: of its program it has now more, now fewer pages, as it drops those unused.
    const long memory_before = memory_of(started.shim_pidfd, "Pss_Anon");
    for (int i = 0; i < 1000; ++i) {
        SocketPair pair = socket_pair();
        drydock::shim_attach(fixture.bundle(),
                             {.socket = std::move(pair.theirs), .in = i % 2 == 0});
    }
    CHECK(becomes_true([&] { return descriptors_of(started.shim_pidfd) <= before; }));
    CHECK(memory_of(started.shim_pidfd, "Pss_Anon") < memory_before + 64);
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("shim's socket: is for its owner only, and what is no message ends the connection only",
          "[03][attach]") {
    AttachFixture fixture(command("echo ready; sleep 1000"));
    const StartedContainer started = fixture.start();
    struct stat status{};
    REQUIRE(::stat((fixture.bundle() / "shim.sock").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    for (const std::size_t size : {std::size_t{1}, std::size_t{512}, std::size_t{100000}}) {
        const UniqueFd rude(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        const std::string path = (fixture.bundle() / "shim.sock").native();
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(rude.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        const std::string rubbish(size, 'x');
        CHECK(::send(rude.get(), rubbish.data(), rubbish.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(size));
        std::array<char, 8> buffer{};
        CHECK(::read(rude.get(), buffer.data(), buffer.size()) == 0);
    }
    SocketPair pair = socket_pair();
    CHECK_NOTHROW(drydock::shim_attach(fixture.bundle(), {.socket = std::move(pair.theirs)}));
    kill_it(started);
    finished(fixture, started);
}

TEST_CASE("resize: is refused without a terminal, and after the end", "[03][attach]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    CHECK_THROWS_WITH(drydock::shim_resize(fixture.bundle(), 24, 80),
                      ContainsSubstring("TIOCSWINSZ"));
    kill_it(started);
    finished(fixture, started);
    for (int i = 0; i < 1000; ++i) {
        CHECK_THROWS_AS(drydock::shim_resize(fixture.bundle(), 24, 80), InputError);
    }
}

TEST_CASE("shim_wait, shim_signal: the end is told, and a signal arrives", "[03][attach]") {
    AttachFixture fixture(
        command("trap 'echo bye; exit 5' USR1; echo ready; while :; do sleep 0.05; done"));
    const StartedContainer started = fixture.start();
    REQUIRE(becomes_true([&] { return fixture.logged() == "ready\n"; }));
    const UniqueFd waiting = drydock::shim_wait(fixture.bundle());
    CHECK(!ends(waiting, 50));
    drydock::shim_signal(fixture.bundle(), SIGUSR1);
    CHECK(ends(waiting));
    CHECK(finished(fixture, started) == 5);
    CHECK(fixture.logged() == "ready\nbye\n");
}

TEST_CASE("log rotation: all that is kept is whole, and no more is kept than was said",
          "[03][attach]") {
    AttachFixture fixture(
        command("i=0; while [ $i -lt 3000 ]; do echo number $i; i=$((i+1)); done"));
    fixture.request.log_limits = {.max_bytes = 20000, .max_files = 4};
    finished(fixture, fixture.start());
    CHECK(!fs::exists(drydock::rotated_name(fixture.log(), 4)));
    for (unsigned age = 0; age < 4; ++age) {
        CHECK(fs::file_size(drydock::rotated_name(fixture.log(), age)) <= 20000);
    }
    std::istringstream lines(fixture.logged());
    std::string line;
    std::getline(lines, line);
    int expected = std::stoi(line.substr(line.rfind(' ')));
    while (std::getline(lines, line)) {
        REQUIRE(line == "number " + std::to_string(++expected));
    }
    CHECK(expected == 2999);
}

TEST_CASE("drydock-shim: is small", "[03][attach]") {
    AttachFixture fixture(command("sleep 1000"));
    const StartedContainer started = fixture.start();
    // Pages of the program are the page cache's, and all shims' together; what each costs is what
    // it has written to.
    const long own = memory_of(started.shim_pidfd, "Pss_Anon");
    INFO("anonymous: " << own << " KiB");
    CHECK(own < 200);
    // While it waits it needs one window of its program, its stack and what it has written.
    CHECK(becomes_true([&] { return kSanitized || memory_of(started.shim_pidfd, "Rss") < 350; }));
    kill_it(started);
    finished(fixture, started);
}
