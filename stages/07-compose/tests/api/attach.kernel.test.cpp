// Terminals, input and further commands, by the API as it is and by the docker command line.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;

namespace {

const char* const kUpgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

/// `docker ARGUMENTS` against the daemon, with a file as its standard input.
Outcome docker(const TestDaemon& daemon, const std::string& arguments,
               const std::string& input = "/dev/null") {
    return run_program(
        {"sh", "-c",
         "exec docker -H unix://" + daemon.socket().native() + " " + arguments + " <" + input});
}

/// A program with a terminal of its own, which we type into.
class AtTerminal {
  public:
    AtTerminal(const std::vector<std::string>& argv, unsigned short rows, unsigned short columns) {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        int master = -1;
        pid_ = ::forkpty(&master, nullptr, nullptr, &size);
        if (pid_ == 0) {
            std::vector<char*> words;
            for (const std::string& word : argv) {
                words.push_back(const_cast<char*>(word.c_str()));
            }
            words.push_back(nullptr);
            ::execvp(words[0], words.data());
            ::_exit(127);
        }
        master_ = drydock::UniqueFd(master);
    }
    ~AtTerminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    AtTerminal(const AtTerminal&) = delete;
    AtTerminal& operator=(const AtTerminal&) = delete;
    AtTerminal(AtTerminal&&) = delete;
    AtTerminal& operator=(AtTerminal&&) = delete;

    void type(const std::string& keys) const {
        drydock::write_all(master_.get(), keys, "terminal");
    }
    /// Reads until `text` is there, or ten seconds are over. @return all that has been read since
    /// the last call
    std::string until(const std::string& text) {
        std::string seen;
        while (seen.find(text) == std::string::npos) {
            pollfd event{.fd = master_.get(), .events = POLLIN, .revents = 0};
            constexpr int kDeadlineMs = 10000;
            std::array<char, 4096> buffer{};
            if (::poll(&event, 1, kDeadlineMs) != 1) {
                break;
            }
            const ssize_t n = ::read(master_.get(), buffer.data(), buffer.size());
            if (n <= 0) {
                break;
            }
            seen.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return seen;
    }
    void resize(unsigned short rows, unsigned short columns) const {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        ::ioctl(master_.get(), TIOCSWINSZ, &size);
    }
    int wait() {
        until("\x01 never");
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

  private:
    pid_t pid_ = 0;
    drydock::UniqueFd master_{};
};

std::vector<std::string> docker_words(const TestDaemon& daemon,
                                      const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"docker", "-H", "unix://" + daemon.socket().native()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
}
std::vector<std::string> drydock_words(const TestDaemon& daemon,
                                       const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {drydock::testing::program_path("drydock"), "-H",
                                      "unix://" + daemon.socket().native()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
}

/// Creates and starts an exec. @return what it said, and its inspect
std::pair<std::string, json> exec(const TestDaemon& daemon, const std::string& id,
                                  const json& body) {
    json all = body;
    all["AttachStdout"] = true;
    all["AttachStderr"] = true;
    const Reply made = daemon.call("POST", "/containers/" + id + "/exec", all.dump());
    INFO(made.body);
    REQUIRE(made.status == 201);
    const std::string exec_id = made.json()["Id"];
    const Reply said =
        HttpRequestUnderWay(daemon.socket(), "POST", "/exec/" + exec_id + "/start", "{}").finish();
    return {TestDaemon::unframed(said.body), daemon.get("/exec/" + exec_id + "/json").json()};
}

}  // namespace

TEST_CASE("attach: input goes in, its end by a half-close, all output comes out", "[07][attach]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.create("cat; echo end", {{"OpenStdin", true}, {"StdinOnce", true}});
    HttpRequestUnderWay attach(daemon.socket(), "POST",
                               "/containers/" + id + "/attach?stream=1&stdin=1&stdout=1&stderr=1",
                               "", kUpgrade);
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    drydock::write_all(attach.fd(), "hello\n", "attach");
    ::shutdown(attach.fd(), SHUT_WR);
    CHECK(TestDaemon::unframed(attach.finish().body) == "hello\nend\n");
    CHECK(daemon.wait(id) == 0);
}

TEST_CASE("attach: a body of the request is no input of the container's", "[07][attach]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("cat", {{"OpenStdin", true}, {"StdinOnce", true}});
    HttpRequestUnderWay attach(daemon.socket(), "POST",
                               "/containers/" + id + "/attach?stream=1&stdin=1&stdout=1",
                               R"({"stream":true,"hijack":true})", kUpgrade);
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    drydock::write_all(attach.fd(), "word\n", "attach");
    ::shutdown(attach.fd(), SHUT_WR);
    CHECK(TestDaemon::unframed(attach.finish().body) == "word\n");
}

TEST_CASE("attach: what is started at the answer is seen whole, however slow the daemon is",
          "[07][attach]") {
    if (!installed_or_skipped("strace")) {
        return;
    }
    const TestDaemon daemon;
    const std::string id = daemon.create("echo whole");
    // Every thread of the daemon rests after each answer that it sends.
    AtTerminal slow({"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e",
                     "inject=sendmsg:delay_exit=300000", "-p", std::to_string(daemon.pid())},
                    24, 80);
    REQUIRE(soon([&] {
        return drydock::read_file("/proc/" + std::to_string(daemon.pid()) + "/status")
                   .find("TracerPid:\t0\n") == std::string::npos;
    }));
    HttpRequestUnderWay attach(daemon.socket(), "POST",
                               "/containers/" + id + "/attach?stream=1&stdout=1", "", kUpgrade);
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(TestDaemon::unframed(attach.finish().body) == "whole\n");
    slow.type("\x03");
    slow.wait();
}

TEST_CASE("attach: survives the daemon", "[07][attach]") {
    TestDaemon daemon;
    const std::string id =
        daemon.create("read -r l; echo got $l", {{"OpenStdin", true}, {"StdinOnce", true}});
    HttpRequestUnderWay attach(daemon.socket(), "POST",
                               "/containers/" + id + "/attach?stream=1&stdin=1&stdout=1", "",
                               kUpgrade);
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.end(SIGKILL) == 128 + SIGKILL);
    drydock::write_all(attach.fd(), "after\n", "attach");
    CHECK(TestDaemon::unframed(attach.finish().body) == "got after\n");
    daemon.start();
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.logs(id) == "got after\n");
}

TEST_CASE("attach: to a container that does not start ends, as does one of a removed container",
          "[07][attach]") {
    const TestDaemon daemon;
    const json body = {{"Image", "drydock/base"}, {"Cmd", {"nosuch"}}};
    const std::string id = daemon.call("POST", "/containers/create", body.dump()).json()["Id"];
    const std::string target = "/containers/" + id + "/attach?stream=1&stdout=1";
    HttpRequestUnderWay attach(daemon.socket(), "POST", target, "", kUpgrade);
    CHECK(attach.head().status == 101);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 400);
    CHECK(attach.finish().body.empty());
    HttpRequestUnderWay again(daemon.socket(), "POST", target, "", kUpgrade);
    CHECK(again.head().status == 101);
    CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
    CHECK(again.finish().body.empty());
}

TEST_CASE("logs: follow a log while it is rotated", "[07][logs]") {
    const TestDaemon daemon;
    const json small = {{"Type", "json-file"},
                        {"Config", {{"max-size", "50k"}, {"max-file", "5"}}}};
    const std::string id =
        daemon.create("i=0; while [ $i -lt 2000 ]; do echo number $i; i=$((i+1)); done",
                      {{"HostConfig", {{"LogConfig", small}}}});
    HttpRequestUnderWay logs(daemon.socket(), "GET",
                             "/containers/" + id + "/logs?follow=1&stdout=1&stderr=1");
    CHECK(logs.head().status == 200);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
        expected += "number " + std::to_string(i) + "\n";
    }
    const bool all = TestDaemon::unframed(logs.finish().body) == expected;
    CHECK(all);
}

TEST_CASE("logs: what follows a container that is removed at its end loses nothing", "[07][logs]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.create("echo first; echo last", {{"HostConfig", {{"AutoRemove", true}}}});
    HttpRequestUnderWay logs(daemon.socket(), "GET",
                             "/containers/" + id + "/logs?follow=1&stdout=1&stderr=1");
    CHECK(logs.head().status == 200);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(TestDaemon::unframed(logs.finish().body) == "first\nlast\n");
}

TEST_CASE("exec: output, exit code, user, environment, directory", "[07][exec]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const auto [text, inspect] = exec(daemon, id,
                                      {{"Cmd", {"sh", "-c", "id -u; echo $A; pwd; exit 5"}},
                                       {"User", "65534"},
                                       {"Env", {"A=b"}},
                                       {"WorkingDir", "/tmp"}});
    CHECK(text == "65534\nb\n/tmp\n");
    CHECK(inspect["ExitCode"] == 5);
    CHECK(inspect["Running"] == false);
    CHECK(inspect["ContainerID"] == id);
}

TEST_CASE("exec: what cannot be run says so in the stream and has 127 or 126", "[07][exec]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const auto [text, inspect] = exec(daemon, id, {{"Cmd", {"nosuch"}}});
    CHECK_THAT(text, ContainsSubstring("executable file not found"));
    CHECK(inspect["ExitCode"] == 127);
    CHECK(exec(daemon, id, {{"Cmd", {"/etc"}}}).second["ExitCode"] == 126);
    CHECK(daemon.call("POST", "/exec/nosuch/start", "{}").status == 404);
    const std::string ended = daemon.create("true");
    CHECK(daemon.call("POST", "/containers/" + ended + "/exec", R"({"Cmd":["true"]})").status ==
          409);
}

TEST_CASE("exec: 256 MiB to a slow reader need no memory", "[07][exec]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("sleep 1000");
    const auto rss = [&] {
        std::ifstream status("/proc/" + std::to_string(daemon.pid()) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmRSS:")) {
                return std::stol(line.substr(6));
            }
        }
        return 0L;
    };
    const Reply made = daemon.call(
        "POST", "/containers/" + id + "/exec",
        R"({"Cmd":["busybox","head","-c","268435456","/dev/zero"],"AttachStdout":true})");
    REQUIRE(made.status == 201);
    const std::string exec_id = made.json()["Id"];
    const long before = rss();
    {
        HttpRequestUnderWay slow(daemon.socket(), "POST", "/exec/" + exec_id + "/start", "{}");
        CHECK(slow.head().status == 200);
        std::array<char, 65536> buffer{};
        for (int i = 0; i < 100; ++i) {
            REQUIRE(::read(slow.fd(), buffer.data(), buffer.size()) > 0);
        }
        CHECK(rss() < before + 20 * 1024);
        CHECK(daemon.get("/exec/" + exec_id + "/json").json()["Running"] == true);
    }
    // Nobody reads any more: it goes on to its end.
    CHECK(soon([&] { return daemon.get("/exec/" + exec_id + "/json").json()["ExitCode"] == 0; }));
}

TEST_CASE("docker run -i, exec -i: a file goes through", "[07][docker]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    const drydock::TempDir directory("drydock-attach-");
    const std::string file = directory.path() / "input";
    std::string text;
    for (int i = 0; i < 20000; ++i) {
        text += "line " + std::to_string(i) + "\n";
    }
    std::ofstream(file) << text;
    const Outcome run = docker(daemon, "run -i --rm drydock/base cat", file);
    CHECK(run.status == 0);
    CHECK(run.out == text);
    const std::string id = daemon.run("sleep 1000");
    const Outcome exec = docker(daemon, "exec -i " + id + " sh -c 'cat; exit 4'", file);
    CHECK(exec.status == 4);
    CHECK(exec.out == text);
    CHECK(docker(daemon, "exec " + id + " nosuch").status == 127);
    CHECK(docker(daemon, "exec -d " + id + " sh -c 'echo x >/tmp/made'").status == 0);
    CHECK(soon([&] { return docker(daemon, "exec " + id + " cat /tmp/made").out == "x\n"; }));
}

TEST_CASE("run -it: the terminal has our size and follows it, keys go in, the status comes out",
          "[07][terminal]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    for (const bool ours : {false, true}) {
        INFO((ours ? "drydock" : "docker"));
        const std::vector<std::string> words = {"run", "-it", "--rm", "drydock/base", "sh"};
        AtTerminal terminal(ours ? drydock_words(daemon, words) : docker_words(daemon, words), 33,
                            111);
        terminal.until("#");
        terminal.type("stty size; tty; echo $TERM\n");
        CHECK_THAT(terminal.until("xterm"),
                   ContainsSubstring("33 111") && ContainsSubstring("/dev/pts/0"));
        terminal.resize(20, 60);
        // The new size goes its own way: asked for until it is there.
        bool follows = false;
        for (int i = 0; i < 50 && !follows; ++i) {
            terminal.type("stty size; echo as''ked\n");
            follows = terminal.until("asked\r\n").find("20 60") != std::string::npos;
        }
        CHECK(follows);
        terminal.type("exit 9\n");
        CHECK(terminal.wait() == 9);
    }
}

TEST_CASE("exec -it, attach: by both command lines, and the detach keys leave it running",
          "[07][terminal]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    const std::string id = daemon.run(
        "while read -r l; do echo got $l; done",
        {{"Tty", true}, {"OpenStdin", true}, {"HostConfig", {{"ConsoleSize", {5, 50}}}}});
    for (const bool ours : {false, true}) {
        INFO((ours ? "drydock" : "docker"));
        const auto words = [&](const std::vector<std::string>& arguments) {
            return ours ? drydock_words(daemon, arguments) : docker_words(daemon, arguments);
        };
        {
            AtTerminal exec(words({"exec", "-it", "-e", "A=b", id, "sh", "-c",
                                   "stty size; read -r l; echo $A$l; exit 3"}),
                            12, 34);
            exec.until("12 34");
            exec.type("c\n");
            CHECK_THAT(exec.until("bc"), ContainsSubstring("bc"));
            CHECK(exec.wait() == 3);
        }
        AtTerminal attached(words({"attach", id}), 12, 34);
        // Keys that come before the attachment stands are the command line's own to keep.
        attached.type("hello\n");
        CHECK_THAT(attached.until("got hello"), ContainsSubstring("got hello"));
        attached.type("\x10\x11");
        attached.wait();
        CHECK(daemon.state(id)["Running"] == true);
    }
}
