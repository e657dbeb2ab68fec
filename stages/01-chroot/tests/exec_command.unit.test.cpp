#include "01-chroot/exec_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::Command;
using drydock::testing::in_child;

namespace {

/// What exec_command() does in a child: the command's exit status, or the one that its error asks
/// for.
int status_of(const Command& command) {
    return in_child([&]() -> int {
        try {
            drydock::exec_command(command);
        } catch (const drydock::SetupError& e) {
            return e.exit_status() == 127 || e.exit_status() == 126 ? e.exit_status() - 100 : 1;
        }
    });
}
constexpr int kNotFound = 27;
constexpr int kNotExecutable = 26;

}  // namespace

TEST_CASE("exec_command: the command runs with these arguments and this environment only",
          "[01][exec_command]") {
    CHECK(status_of(
              {.argv = {"/bin/sh", "-c",
                        "test \"$1\" = 'a b' && test \"$X\" = y && test -z \"$HOME\"", "sh", "a b"},
               .env = {"X=y"}}) == 0);
    CHECK(status_of({.argv = {"/bin/sh", "-c", "exit 42"}}) == 42);
}

TEST_CASE("exec_command: a name without / is looked up in the container's PATH",
          "[01][exec_command]") {
    const drydock::TempDir dir("drydock-test");
    const fs::path program = dir.path() / "tool";
    std::ofstream(program) << "#!/bin/sh\nexit 9\n";
    fs::permissions(program, fs::perms(0755));
    CHECK(status_of({.argv = {"tool"}, .env = {"PATH=/nowhere:" + dir.path().native()}}) == 9);
    CHECK(status_of({.argv = {"tool"}, .env = {"PATH=/nowhere"}}) == kNotFound);
    CHECK(status_of({.argv = {"sh", "-c", "exit 3"}}) == 3);  // no PATH at all: the default one
}

TEST_CASE("exec_command: 127 for what is not there, 126 for what cannot be run",
          "[01][exec_command]") {
    const drydock::TempDir dir("drydock-test");
    const fs::path file = dir.path() / "file";
    std::ofstream(file) << "no program";
    CHECK(status_of({.argv = {"/nowhere"}}) == kNotFound);
    CHECK(status_of({.argv = {(file / "x").native()}}) == kNotFound);
    CHECK(status_of({.argv = {file.native()}}) == kNotExecutable);
    CHECK(status_of({.argv = {"file"}, .env = {"PATH=" + dir.path().native() + ":/nowhere"}}) ==
          kNotExecutable);
    CHECK(status_of({.argv = {"/tmp"}}) == kNotExecutable);
}

TEST_CASE("exec_command: the command inherits 0, 1, 2 and no other descriptor",
          "[01][exec_command]") {
    const int open_in_command = in_child([]() -> int {
        static_cast<void>(
            ::fcntl(2, F_DUPFD, 40));  // not close-on-exec, as a careless caller leaves it
        drydock::exec_command(
            {.argv = {"/bin/sh", "-c", "test ! -e /proc/$$/fd/40 && test -e /proc/$$/fd/2"}});
    });
    CHECK(open_in_command == 0);
}

TEST_CASE("enter_workdir: the directory, or 127 and 126", "[01][exec_command]") {
    const auto status = [](const std::string& workdir) {
        return in_child([&] {
            try {
                drydock::enter_workdir({.workdir = workdir});
                return fs::current_path() == workdir ? 0 : 1;
            } catch (const drydock::SetupError& e) {
                return e.exit_status() - 100;
            }
        });
    };
    CHECK(status("/proc") == 0);
    CHECK(status("/nowhere") == kNotFound);
    CHECK(status("/etc/passwd") == kNotFound);
}
