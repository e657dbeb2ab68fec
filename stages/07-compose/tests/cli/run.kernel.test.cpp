#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/unique_fd.hpp"

#include "testing/catch.hpp"

#include "cli/own_daemon.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::OwnDaemon;

namespace {

/// One daemon for all tests of this file: starting one for each would take most of the time.
const OwnDaemon& daemon() {
    static const OwnDaemon own;
    return own;
}

Outcome call(std::vector<std::string> arguments) {
    return daemon().run(std::move(arguments));
}

/// A foreground `drydock run` whose output we read as it comes.
struct Foreground {
    drydock::UniqueFd out{};
    drydock::Child child{};

    explicit Foreground(const std::vector<std::string>& arguments) {
        drydock::Pipe pipe = drydock::make_pipe();
        // Before the clone: a daemon() first asked for in the child would be another one.
        const std::vector<std::string> environment = daemon().environment();
        child = drydock::clone_child(0);
        if (!child) {
            ::dup2(pipe.write.get(), 1);
            for (const std::string& variable : environment) {
                ::putenv(::strdup(variable.c_str()));
            }
            std::vector<char*> argv = {::strdup("drydock")};
            for (const std::string& argument : arguments) {
                argv.push_back(::strdup(argument.c_str()));
            }
            argv.push_back(nullptr);
            ::execv(drydock::testing::program_path("drydock").c_str(), argv.data());
            ::_exit(127);
        }
        out = std::move(pipe.read);
    }

    /// Whether `text` comes within ten seconds.
    [[nodiscard]] bool prints(const std::string& text) const {
        std::string so_far;
        char byte = 0;
        pollfd event{.fd = out.get(), .events = POLLIN, .revents = 0};
        while (so_far.find(text) == std::string::npos) {
            if (::poll(&event, 1, 10'000) <= 0 || ::read(out.get(), &byte, 1) != 1) {
                return false;
            }
            so_far += byte;
        }
        return true;
    }
};

/// The one line of the limit's file in the cgroup of that process, whatever version the machine
/// has.
std::string limit_of(const std::string& pid, const std::string& v1, const std::string& v2) {
    std::ifstream in("/proc/" + pid + "/cgroup");
    for (std::string line; std::getline(in, line);) {
        std::smatch parts;
        if (!std::regex_match(line, parts, std::regex("[0-9]+:([^:]*):(.*)"))) {
            continue;
        }
        for (const std::string& file :
             {"/sys/fs/cgroup/" + parts[1].str() + parts[2].str() + "/" + v1,
              "/sys/fs/cgroup" + parts[2].str() + "/" + v2}) {
            if (std::ifstream found(file); found) {
                std::getline(found, line);
                return line;
            }
        }
    }
    return "no such file";
}

}  // namespace

TEST_CASE("run: the exit status is the command's, or says why there is none", "[07][cli][kernel]") {
    const std::pair<std::vector<std::string>, int> kinds[] = {
        {{"true"}, 0}, {{"sh", "-c", "exit 7"}, 7}, {{"/etc"}, 126}, {{"no-such-command"}, 127}};
    for (const auto& [command, status] : kinds) {
        for (const bool remove : {false, true}) {
            std::vector<std::string> arguments = {"run", "drydock/base"};
            arguments.insert(arguments.begin() + 1, remove ? "--rm" : "--label=test");
            arguments.insert(arguments.end(), command.begin(), command.end());
            const Outcome outcome = call(arguments);
            INFO(outcome.err);
            CHECK(outcome.status == status);
        }
    }
    CHECK(call({"run", "--rm", "--network", "no-such-network", "drydock/base", "true"}).status ==
          125);
}

TEST_CASE("run: both streams arrive whole, also when the container ends at once",
          "[07][cli][kernel]") {
    for (int round = 0; round < 20; ++round) {
        const Outcome outcome =
            call({"run", "--rm", "drydock/base", "sh", "-c", "echo to out; echo to err >&2"});
        CHECK(outcome.out == "to out\n");
        CHECK(outcome.err == (round == 0 ? outcome.err : "to err\n"));
    }
    const Outcome much =
        call({"run", "--rm", "drydock/base", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"});
    CHECK(much.out.size() == 3'000'000);
}

TEST_CASE("run -d: it goes on, its logs can be read, stop and rm end it", "[07][cli][kernel]") {
    const Outcome started =
        call({"run", "-d", "--name", "detached", "drydock/base", "sh", "-c",
              "trap 'echo ending; exit 3' TERM; echo ready; while :; do sleep 0.05; done"});
    REQUIRE(started.status == 0);
    const std::string id = started.out.substr(0, 64);
    CHECK_THAT(call({"ps"}).out, ContainsSubstring("detached"));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (call({"logs", "detached"}).out != "ready\n" &&
           std::chrono::steady_clock::now() < deadline) {
    }
    CHECK(call({"rm", "detached"}).status == 1);
    CHECK(call({"stop", "detached"}).out == "detached\n");
    CHECK(call({"logs", "detached"}).out == "ready\nending\n");
    CHECK(call({"inspect", "-f", "{{.State.ExitCode}}", id}).out == "3\n");
    CHECK(call({"rm", "detached"}).status == 0);
    CHECK(call({"inspect", "detached"}).status == 1);
    CHECK_FALSE(fs::exists(daemon().directory() / "data/containers" / id));
}

TEST_CASE("run: a container that is killed is 137", "[07][cli][kernel]") {
    Foreground run(
        {"run", "--rm", "--name", "killed", "drydock/base", "sh", "-c", "echo ready; sleep 100"});
    REQUIRE(run.prints("ready"));
    CHECK(call({"kill", "killed"}).status == 0);
    CHECK(run.child.wait() == 137);
}

TEST_CASE("run: Ctrl-C is the container's, it ends and nothing is left", "[07][cli][kernel]") {
    Foreground run({"run", "--rm", "--name", "interrupted", "drydock/base", "sh", "-c",
                    "trap 'exit 42' INT; echo ready; while :; do sleep 0.05; done"});
    REQUIRE(run.prints("ready"));
    run.child.signal(SIGINT);
    CHECK(run.child.wait() == 42);
    CHECK(call({"inspect", "interrupted"}).status == 1);
}

TEST_CASE("run, attach, start --sig-proxy=false: a signal ends the client, the container goes on",
          "[07][cli][kernel]") {
    const auto leaves = [](std::vector<std::string> arguments) {
        Foreground run(arguments);
        REQUIRE(run.prints("ready"));
        run.child.signal(SIGINT);
        return run.child.wait();
    };
    const auto runs = [] {
        return call({"inspect", "-f", "{{.State.Running}}", "left"}).out == "true\n";
    };
    CHECK(leaves({"run", "--sig-proxy=false", "--name", "left", "drydock/base", "sh", "-c",
                  "while :; do echo ready; sleep 0.05; done"}) == 130);
    CHECK(runs());
    CHECK(leaves({"attach", "--sig-proxy=false", "left"}) == 130);
    CHECK(runs());
    CHECK(call({"kill", "left"}).status == 0);
    CHECK(call({"wait", "left"}).out == "137\n");
    CHECK(leaves({"start", "-a", "--sig-proxy=false", "left"}) == 130);
    CHECK(runs());
    CHECK(call({"rm", "-f", "left"}).status == 0);
}

TEST_CASE("run -a: what of the container's streams is ours", "[07][cli][kernel]") {
    const std::vector<std::string> both = {"drydock/base", "sh", "-c", "echo out; echo err >&2"};
    const auto with = [&](std::vector<std::string> flags) {
        flags.insert(flags.begin(), {"run", "--rm"});
        flags.insert(flags.end(), both.begin(), both.end());
        return call(flags);
    };
    CHECK(with({"-a", "stdout"}).out == "out\n");
    CHECK_THAT(with({"-a", "stdout"}).err, !ContainsSubstring("err\n"));
    CHECK(with({"-a", "stderr"}).out.empty());
    CHECK(with({"-a", "stderr"}).err == "err\n");
}

TEST_CASE("run: the third Ctrl-C kills a container that does not listen", "[07][cli][kernel]") {
    Foreground run({"run", "--rm", "--name", "stubborn", "drydock/base", "sh", "-c",
                    "trap 'echo again' INT; echo ready; while :; do sleep 0.05; done"});
    REQUIRE(run.prints("ready"));
    run.child.signal(SIGINT);
    REQUIRE(run.prints("again"));
    run.child.signal(SIGINT);
    REQUIRE(run.prints("again"));
    run.child.signal(SIGINT);
    CHECK(run.child.wait() == 137);
    CHECK(call({"inspect", "stubborn"}).status == 1);
}

TEST_CASE("run: limits are in the files of the container's cgroup", "[07][cli][kernel]") {
    REQUIRE(call({"run", "-d", "--name", "limited", "--memory", "64m", "--cpus", "0.5",
                  "--pids-limit", "20", "drydock/base", "sleep", "100"})
                .status == 0);
    std::string pid = call({"inspect", "-f", "{{.State.Pid}}", "limited"}).out;
    pid.pop_back();
    CHECK(limit_of(pid, "memory.limit_in_bytes", "memory.max") == "67108864");
    CHECK(limit_of(pid, "pids.max", "pids.max") == "20");
    const std::string cpu = limit_of(pid, "cpu.cfs_quota_us", "cpu.max");
    CHECK((cpu == "50000" || cpu == "50000 100000"));
    CHECK(call({"rm", "-f", "limited"}).status == 0);
    CHECK_FALSE(fs::exists("/proc/" + pid));
}

TEST_CASE("run --explain: the steps of the start are on stderr, and --rm still removes",
          "[07][cli][kernel]") {
    const Outcome outcome =
        call({"run", "--rm", "--explain", "--name", "explained", "drydock/base", "true"});
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.err, ContainsSubstring("pivot-root") && ContainsSubstring("clone"));
    CHECK(call({"inspect", "explained"}).status == 1);
}

TEST_CASE("build, save, rmi, load: an image comes back with its ID", "[07][cli][kernel]") {
    const fs::path context = daemon().directory() / "context";
    fs::create_directories(context);
    std::ofstream(context / "Dockerfile")
        << "FROM drydock/base\nCOPY hello /\nRUN cat /hello >/twice && cat /hello >>/twice\nCMD "
           "[\"cat\", \"/twice\"]\n";
    std::ofstream(context / "hello") << "hello\n";
    const Outcome built = call({"build", "-t", "twice", context.native()});
    INFO(built.err);
    REQUIRE(built.status == 0);
    CHECK(call({"run", "--rm", "twice"}).out == "hello\nhello\n");
    const std::string id = call({"inspect", "-f", "{{.Id}}", "twice"}).out;
    const std::string archive = daemon().directory() / "twice.tar";
    CHECK(call({"save", "-o", archive, "twice"}).status == 0);
    CHECK(call({"rmi", "-f", "twice"}).status == 0);
    CHECK(call({"inspect", "twice"}).status == 1);
    CHECK(call({"load", "-i", archive}).status == 0);
    CHECK(call({"inspect", "-f", "{{.Id}}", "twice"}).out == id);
    std::ofstream(context / "Dockerfile") << "FROM drydock/base\nRUN exit 7\n";
    CHECK(call({"build", context.native()}).status == 7);
}

TEST_CASE("the daemon: the first command starts it, daemon stop ends it, containers go on",
          "[07][cli][kernel]") {
    const OwnDaemon own;
    const std::string told = own.run({"ps"}).err;
    CHECK_THAT(told, ContainsSubstring("started the daemon"));
    const int pid = std::stoi(told.substr(told.find("pid ") + 4));
    CHECK(::getsid(pid) == pid);  // Ctrl-C on our terminal is not meant for it
    CHECK(own.run({"ps"}).err.empty());
    REQUIRE(own.run({"run", "-d", "--name", "survivor", "drydock/base", "sleep", "100"}).status ==
            0);
    CHECK(own.run({"daemon", "stop"}).out == "the daemon has ended\n");
    CHECK_THAT(own.run({"daemon", "stop"}).out, ContainsSubstring("no daemon listens"));
    CHECK_THAT(own.run({"ps"}).out, ContainsSubstring("survivor"));
}

TEST_CASE("the daemon: commands at the same time start one", "[07][cli][kernel]") {
    const OwnDaemon own;
    std::vector<std::string> command = {"sh", "-c", "for i in 1 2 3 4 5; do \"$0\" ps & done; wait",
                                        drydock::testing::program_path("drydock").native()};
    const Outcome outcome = drydock::testing::run_program(command, own.environment());
    const std::string once = "started the daemon";
    const auto first = outcome.err.find(once);
    REQUIRE(first != std::string::npos);
    CHECK(outcome.err.find(once, first + 1) == std::string::npos);
    CHECK(outcome.err.find("did not start") == std::string::npos);
}

TEST_CASE("start -a: an earlier run's output is not shown again", "[07][cli][kernel]") {
    REQUIRE(call({"run", "--name", "again", "drydock/base", "echo", "hello"}).out == "hello\n");
    const Outcome again = call({"start", "-a", "again"});
    CHECK(again.out == "hello\n");
    CHECK(again.status == 0);
    CHECK(call({"logs", "again"}).out == "hello\nhello\n");
    CHECK(call({"rm", "again"}).status == 0);
}

namespace {

/// Whether some file below `directory`, or its name, has the text.
bool is_anywhere(const fs::path& directory, const std::string& text) {
    return std::any_of(
        fs::recursive_directory_iterator(directory), fs::recursive_directory_iterator(),
        [&](const fs::directory_entry& entry) {
            return entry.is_regular_file() && !entry.is_symlink() &&
                   drydock::read_file(entry.path(), std::size_t{64} << 20U).find(text) !=
                       std::string::npos;
        });
}

}  // namespace

TEST_CASE("build --secret: the RUN has it, and nothing else ever", "[07][cli][kernel][secret]") {
    const fs::path context = daemon().directory() / "secret-context";
    fs::create_directories(context);
    std::ofstream(context / "Dockerfile")
        << "FROM drydock/base\nRUN --mount=type=secret,id=token wc -c </run/secrets/token >/n; "
           "sha256sum </run/secrets/token >/sum\nCMD [\"cat\", \"/n\"]\n";
    const std::string secret = "s3cr3t-via-the-daemon";
    const fs::path elsewhere = fs::temp_directory_path() / "drydock-test-token";
    std::ofstream(elsewhere) << secret;
    const Outcome built = call({"build", "-t", "with-secret", "--secret",
                                "id=token,src=" + elsewhere.native(), context.native()});
    fs::remove(elsewhere);
    INFO(built.err);
    REQUIRE(built.status == 0);
    CHECK(call({"run", "--rm", "with-secret"}).out == "21\n");
    CHECK_FALSE(is_anywhere(daemon().directory(), secret));
    CHECK_FALSE(is_anywhere(daemon().directory(), "czNjcjN0LXZpYS10aGUtZGFlbW9u"));  // base64
    CHECK(built.out.find(secret) == std::string::npos);
    CHECK_THAT(call({"build", "--secret", "id=t,env=NO_SUCH", context.native()}).err,
               ContainsSubstring("the variable NO_SUCH is not set"));
    CHECK(call({"rmi", "-f", "with-secret"}).status == 0);
}

TEST_CASE("build --check, --explain=cache, --ssh: what the daemon says of a Dockerfile",
          "[07][cli][kernel][check]") {
    const fs::path context = daemon().directory() / "check-context";
    fs::create_directories(context);
    std::ofstream(context / "Dockerfile") << "FROM drydock/base\nWORKDIR srv\nENV A=1\n";
    std::ofstream(context / "large") << std::string(100'000, 'x');
    const Outcome checked = call({"build", "--check", context.native()});
    CHECK(checked.status == 1);
    CHECK_THAT(checked.out, ContainsSubstring("Dockerfile:2: WorkdirRelativePath: "));
    std::ofstream(context / "Dockerfile")
        << "# check=skip=all\nFROM drydock/base\nWORKDIR /srv\nENV A=1\n";
    CHECK(call({"build", "--check", context.native()}).status == 0);
    CHECK(call({"build", context.native()}).status == 0);
    std::ofstream(context / "Dockerfile") << "FROM drydock/base\nWORKDIR /srv\nENV A=2\n";
    CHECK_THAT(call({"build", "--explain=cache", context.native()}).out,
               ContainsSubstring(" ---> Using cache") &&
                   ContainsSubstring(" ---> Not cached: it was \"ENV "));
    CHECK_THAT(call({"build", "--explain=x", context.native()}).err,
               ContainsSubstring("--explain x: expected cache"));
    const Outcome ssh = call({"build", "--ssh", "default", context.native()});
    CHECK(ssh.status == 125);
    CHECK_THAT(ssh.err, ContainsSubstring("not implemented: build --ssh"));
}
