#include "01-chroot/temp_dir.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::TempDir;

TEST_CASE("TempDir: nobody else can look in, and it goes with all that is in it",
          "[01][temp_dir]") {
    fs::path path;
    {
        const TempDir dir("drydock-test");
        path = dir.path();
        struct stat status{};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0700);
        fs::create_directories(path / "a/b");
        std::ofstream(path / "a/b/file") << "x";
        fs::permissions(path / "a/b", fs::perms::none);
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("TempDir: what a link points at is left alone", "[01][temp_dir]") {
    const TempDir canary("drydock-test");
    std::ofstream(canary.path() / "file") << "x";
    {
        const TempDir dir("drydock-test");
        fs::create_directory_symlink(canary.path(), dir.path() / "link");
        fs::create_symlink(canary.path() / "file", dir.path() / "link-to-file");
    }
    CHECK(fs::exists(canary.path() / "file"));
}

TEST_CASE("TempDir: a move hands the directory over", "[01][temp_dir]") {
    TempDir a("drydock-test");
    const fs::path path = a.path();
    {
        const TempDir b(std::move(a));
        CHECK(b.path() == path);
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("remove_tree: nothing there is fine, a link goes without its target", "[01][temp_dir]") {
    const TempDir dir("drydock-test");
    CHECK_NOTHROW(drydock::remove_tree(dir.path() / "nothing"));
    fs::create_directory(dir.path() / "target");
    fs::create_directory_symlink("target", dir.path() / "link");
    drydock::remove_tree(dir.path() / "link");
    CHECK_FALSE(fs::exists(fs::symlink_status(dir.path() / "link")));
    CHECK(fs::exists(dir.path() / "target"));
}
