#include "01-chroot/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;

TEST_CASE("open_file: close-on-exec, and a failure names path and flags", "[01][file]") {
    const drydock::UniqueFd fd = drydock::open_file("/dev/null", O_RDONLY);
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_THROWS_WITH(drydock::open_file("/nowhere/x", O_RDONLY),
                      ContainsSubstring("open(/nowhere/x, flags=0"));
}

TEST_CASE("read_file: everything, but nothing beyond the limit", "[01][file]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd at = drydock::open_file(dir.path(), O_RDONLY | O_DIRECTORY);
    const std::string text(100000, 'x');
    drydock::replace_file(at.get(), "f", text);
    CHECK(drydock::read_file(dir.path() / "f") == text);
    CHECK(drydock::read_file(dir.path() / "f", text.size()) == text);
    CHECK_THROWS_AS(drydock::read_file(dir.path() / "f", text.size() - 1), drydock::InputError);
    CHECK_THROWS_AS(drydock::read_file("/dev/zero", 1000), drydock::InputError);
}

TEST_CASE("replace_file: the whole file changes, with its mode, and no temporary file stays",
          "[01][file]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd at = drydock::open_file(dir.path(), O_RDONLY | O_DIRECTORY);
    const auto lasts = GENERATE(drydock::Lasts::PowerCut, drydock::Lasts::Kill);
    drydock::replace_file(at.get(), "f", "old and long", 0600, lasts);
    drydock::replace_file(at.get(), "f", "new", 0640, lasts);
    CHECK(drydock::read_file(dir.path() / "f") == "new");
    struct stat status{};
    REQUIRE(::stat((dir.path() / "f").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("replace_file: two threads at once give one of their texts, whole", "[01][file]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd at = drydock::open_file(dir.path(), O_RDONLY | O_DIRECTORY);
    std::atomic<int> failures = 0;
    const auto replace = [&](char letter) {
        for (int i = 0; i < 300; ++i) {
            try {
                drydock::replace_file(at.get(), "f", std::string(20000, letter), 0600,
                                      drydock::Lasts::Kill);
                const std::string text = drydock::read_file(dir.path() / "f");
                failures += text != std::string(20000, text.empty() ? '?' : text[0]) ? 1 : 0;
            } catch (const std::system_error&) {
                ++failures;
            }
        }
    };
    std::thread other([&] { replace('b'); });
    replace('a');
    other.join();
    CHECK(failures == 0);
    CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("replace_file: a failure leaves the old file and nothing else", "[01][file]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd at = drydock::open_file(dir.path(), O_RDONLY | O_DIRECTORY);
    fs::create_directory(dir.path() / "taken");
    CHECK_THROWS_AS(drydock::replace_file(at.get(), "taken", "x"), std::system_error);
    CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("write_once: the file must be there, and the text is in the error", "[01][file]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd at = drydock::open_file(dir.path(), O_RDONLY | O_DIRECTORY);
    CHECK_THROWS_AS(drydock::write_once(at.get(), "limit", "42"), std::system_error);
    drydock::replace_file(at.get(), "limit", "");
    drydock::write_once(at.get(), "limit", "42");
    CHECK(drydock::read_file(dir.path() / "limit") == "42");
    CHECK_THROWS_WITH(drydock::write_once(AT_FDCWD, "/dev/full", "42"),
                      ContainsSubstring("write(/dev/full, \"42\")"));
}
