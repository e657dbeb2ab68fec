#include "03-cgroups/log_file.hpp"

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::LogFile;
using drydock::read_file;
using drydock::rotated_name;

TEST_CASE("LogFile: appends to what is there", "[03][log]") {
    const drydock::TempDir directory{"drydock-03-test"};
    const fs::path log = directory.path() / "log";
    LogFile(log, {}).append("one\n");
    LogFile(log, {}).append("two\n");
    CHECK(read_file(log) == "one\ntwo\n");
}

TEST_CASE("LogFile: a full file is rotated, and the oldest goes", "[03][log]") {
    const drydock::TempDir directory{"drydock-03-test"};
    const fs::path log = directory.path() / "log";
    LogFile file(log, {.max_bytes = 10, .max_files = 3});
    for (int i = 0; i < 8; ++i) {
        file.append("line" + std::to_string(i) + "\n");  // 6 bytes: one fits
    }
    CHECK(read_file(log) == "line7\n");
    CHECK(read_file(rotated_name(log, 1)) == "line6\n");
    CHECK(read_file(rotated_name(log, 2)) == "line5\n");
    CHECK(!fs::exists(rotated_name(log, 3)));
}

TEST_CASE("LogFile: a batch of lines is cut between lines, a line never", "[03][log]") {
    const drydock::TempDir directory{"drydock-03-test"};
    const fs::path log = directory.path() / "log";
    LogFile file(log, {.max_bytes = 10, .max_files = 5});
    file.append("aaa\nbbb\nccc\na line longer than a file may be\nd\n");
    CHECK(read_file(rotated_name(log, 3)) == "aaa\nbbb\n");
    CHECK(read_file(rotated_name(log, 2)) == "ccc\n");
    CHECK(read_file(rotated_name(log, 1)) == "a line longer than a file may be\n");
    CHECK(read_file(log) == "d\n");
}

TEST_CASE("LogFile: with one file only, a new one takes its place", "[03][log]") {
    const drydock::TempDir directory{"drydock-03-test"};
    const fs::path log = directory.path() / "log";
    LogFile file(log, {.max_bytes = 10, .max_files = 1});
    file.append("aaaaaa\n");
    const drydock::UniqueFd reader = drydock::open_file(log, O_RDONLY);
    file.append("bbbbbb\n");
    CHECK(read_file(log) == "bbbbbb\n");
    // Who had it open still reads all of it.
    CHECK(drydock::read_all(reader.get(), 100, "log") == "aaaaaa\n");
}

TEST_CASE("LogFile: a file that is nearly full from an earlier start is rotated", "[03][log]") {
    const drydock::TempDir directory{"drydock-03-test"};
    const fs::path log = directory.path() / "log";
    LogFile(log, {.max_bytes = 10, .max_files = 2}).append("12345678\n");
    LogFile(log, {.max_bytes = 10, .max_files = 2}).append("new\n");
    CHECK(read_file(log) == "new\n");
    CHECK(read_file(rotated_name(log, 1)) == "12345678\n");
}

TEST_CASE("LogFile: what a full disk does not take is left out as whole lines", "[03][log]") {
    // /dev/full takes nothing, and is no file that could be cut: the call must only not throw.
    LogFile file("/dev/full", {});
    CHECK_NOTHROW(file.append("lost\n"));
}
