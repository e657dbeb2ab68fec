// drydock-01 as its user sees it.
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "01-chroot/child.hpp"
#include "01-chroot/temp_dir.hpp"
#include "01-chroot/unique_fd.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::run_program;

namespace {

struct Fixture {
    drydock::TempDir root{"drydock-test"};
    Fixture() { drydock::testing::make_test_rootfs(root.path()); }

    /// drydock-01 run [flags] ROOTFS command
    [[nodiscard]] Outcome run(const std::vector<std::string>& command,
                              const std::vector<std::string>& flags = {},
                              const std::vector<std::string>& env = {}) const {
        std::vector<std::string> argv{"drydock-01", "run"};
        argv.insert(argv.end(), flags.begin(), flags.end());
        argv.push_back(root.path().native());
        argv.insert(argv.end(), command.begin(), command.end());
        return run_program(argv, env);
    }
};

int lines_in(const fs::path& path) {
    std::ifstream in(path);
    int count = 0;
    for (std::string line; std::getline(in, line);) {
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("drydock-01: the command sees the root, and nothing above it", "[01][run]") {
    const Fixture f;
    const Outcome outcome = f.run({"sh", "-c", "pwd; ls /; ls /../../etc"});
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK(outcome.out == "/\nbin\ndev\netc\nprobe\nproc\nsys\ntmp\ngroup\npasswd\n");
}

TEST_CASE("drydock-01: exit statuses are exact", "[01][run]") {
    const Fixture f;
    CHECK(f.run({"true"}).status == 0);
    CHECK(f.run({"sh", "-c", "exit 42"}).status == 42);
    CHECK(f.run({"sh", "-c", "kill -9 $$"}).status == 137);
    const Outcome not_found = f.run({"nowhere"});
    CHECK(not_found.status == 127);
    CHECK(not_found.err == "drydock-01: exec: \"nowhere\": executable file not found in $PATH\n");
    const Outcome not_executable = f.run({"/etc/passwd"});
    CHECK(not_executable.status == 126);
    CHECK(not_executable.err == "drydock-01: exec: \"/etc/passwd\": permission denied\n");
}

TEST_CASE("drydock-01: --env and --workdir", "[01][run]") {
    const Fixture f;
    const Outcome outcome = f.run({"sh", "-c", "echo $A $B $(pwd); env | grep -c HOME"},
                                  {"--env", "A=1", "-e", "B", "--workdir", "/tmp"}, {"B=two"});
    CHECK(outcome.out == "1 two /tmp\n0\n");
    const Outcome missing = f.run({"true"}, {"--workdir", "/nowhere"});
    CHECK(missing.status == 127);
    CHECK(missing.err == "drydock-01: workdir: chdir(/nowhere): No such file or directory\n");
}

TEST_CASE("drydock-01: what stands behind ROOTFS belongs to the command", "[01][run]") {
    const Fixture f;
    CHECK(f.run({"echo", "--explain", "-x", "--", "y"}).out == "--explain -x -- y\n");
}

TEST_CASE("drydock-01: --explain tells each step and its calls, on stderr", "[01][run]") {
    const Fixture f;
    const Outcome outcome = f.run({"echo", "hello"}, {"--explain"});
    CHECK(outcome.out == "hello\n");
    for (const std::string text :
         {"clone3(flags=CLONE_PIDFD|0)", "chroot(path=", "-> chroot(2)", "-> execve(2)"}) {
        CHECK_THAT(outcome.err, ContainsSubstring(text));
    }
}

TEST_CASE("drydock-01: --without chroot runs the host's command", "[01][run]") {
    const Fixture f;
    CHECK_THAT(f.run({"ls", "/"}, {"--without", "chroot"}).out, ContainsSubstring("var"));
}

TEST_CASE("drydock-01: wrong input is one line that says what would be right, and 125",
          "[01][run]") {
    const Fixture f;
    const std::string file = (f.root.path() / "etc/passwd").native();
    const Outcome no_directory = run_program({"drydock-01", "run", "/nowhere", "true"});
    CHECK(no_directory.status == 125);
    CHECK(no_directory.err == "drydock-01: rootfs /nowhere: no such directory\n");
    const Outcome no_root = run_program({"drydock-01", "run", file, "true"});
    CHECK(no_root.status == 125);
    CHECK_THAT(no_root.err,
               ContainsSubstring("rootfs " + file + ": not a directory; expected one that holds"));
    for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
             {"--nonsense"}, {"--workdir", "relative"}, {"--env", "=x"}, {"--env"}}) {
        const Outcome outcome = f.run({"true"}, flags);
        INFO(outcome.err);
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.err, ContainsSubstring("drydock-01"));
    }
    CHECK(run_program({"drydock-01"}).status == 125);
    CHECK(run_program({"drydock-01", "run", f.root.path().native()}).status == 125);
    CHECK(run_program({"drydock-01", "--help"}).status == 0);
}

TEST_CASE("drydock-01: killed or failing at any step it leaves nothing on the host", "[01][run]") {
    const Fixture f;
    const int mounts = lines_in("/proc/self/mountinfo");
    for (const char* step : {"clone", "chroot", "workdir", "exec"}) {
        for (const char* what : {"kill", "kill-after", "error=5"}) {
            const std::string fault = std::string(step) + ":" + what;
            if (fault == "exec:kill-after") {
                continue;  // after execve there is nobody left to ask
            }
            INFO(fault);
            CHECK(f.run({"true"}, {}, {"DRYDOCK_FAIL=" + fault}).status != 0);
            CHECK(lines_in("/proc/self/mountinfo") == mounts);
        }
    }
}

TEST_CASE("drydock-01: killed, it takes the command with it", "[01][run]") {
    const Fixture f;
    drydock::Pipe alive = drydock::make_pipe();
    drydock::Child program = drydock::clone_child(0);
    if (!program) {
        ::dup2(alive.write.get(), 1);
        const std::string root = f.root.path().native();
        ::execl(drydock::testing::program_path("drydock-01").c_str(), "drydock-01", "run",
                root.c_str(), "sh", "-c", "echo runs; exec sleep 1000", nullptr);
        ::_exit(1);
    }
    alive.write.close();
    std::array<char, 16> said{};
    REQUIRE(::read(alive.read.get(), said.data(), said.size()) == 5);
    program.signal(SIGKILL);
    CHECK(program.wait() == 128 + SIGKILL);
    // Only the command has the other end by now.
    pollfd end{.fd = alive.read.get(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&end, 1, 10'000) == 1);
    CHECK(::read(alive.read.get(), said.data(), said.size()) == 0);
}

TEST_CASE("drydock-01: who is not root gets one clear line", "[01][run]") {
    const drydock::TempDir dir("drydock-test");
    fs::permissions(dir.path(), fs::perms(0755));
    fs::copy_file(drydock::testing::program_path("drydock-01"), dir.path() / "drydock-01");
    const Outcome outcome =
        run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                     (dir.path() / "drydock-01").native(), "run", "/", "true"});
    CHECK(outcome.status == 125);
    CHECK(outcome.err == "drydock-01: chroot: chroot(path=/): Operation not permitted\n");
}
