#include "01-chroot/path_in_root.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::make_directories_in_root;
using drydock::open_in_root;

namespace {

/// A root with something to find in it, beside a canary that nobody may reach.
struct Tree {
    drydock::TempDir dir{"drydock-test"};
    fs::path root = dir.path() / "root";
    fs::path canary = dir.path() / "canary";
    drydock::UniqueFd fd{};

    Tree() {
        fs::create_directories(root / "etc");
        fs::create_directories(canary);
        std::ofstream(root / "etc/name") << "inside";
        std::ofstream(canary / "name") << "outside";
        fd = drydock::open_file(root, O_PATH | O_DIRECTORY);
    }
    [[nodiscard]] std::string read(const std::string& path) const {
        return drydock::read_all(open_in_root(fd.get(), path, O_RDONLY).get(), 100, path);
    }
};

}  // namespace

TEST_CASE("open_in_root: absolute paths, links and .. all end inside the root",
          "[01][path_in_root]") {
    const Tree tree;
    fs::create_symlink("/etc/name", tree.root / "absolute");
    fs::create_symlink("../../../../etc/name", tree.root / "etc/climbing");
    fs::create_directory_symlink("/", tree.root / "top");
    CHECK(tree.read("/etc/name") == "inside");
    CHECK(tree.read("absolute") == "inside");
    CHECK(tree.read("etc/climbing") == "inside");
    CHECK(tree.read("top/top/etc/name") == "inside");
    CHECK(tree.read("../../etc/../etc/name") == "inside");
}

TEST_CASE("open_in_root: no link leads to the host", "[01][path_in_root]") {
    const Tree tree;
    fs::create_symlink(tree.canary / "name", tree.root / "absolute");
    fs::create_symlink("../canary/name", tree.root / "relative");
    fs::create_directory_symlink(tree.canary, tree.root / "dir");
    for (const char* path : {"absolute", "relative", "dir/name", "../canary/name"}) {
        INFO(path);
        CHECK_THROWS_AS(open_in_root(tree.fd.get(), path, O_RDONLY), std::system_error);
    }
}

TEST_CASE("open_in_root: the magic links of /proc are not followed", "[01][path_in_root]") {
    const drydock::UniqueFd proc = drydock::open_file("/proc", O_PATH | O_DIRECTORY);
    CHECK_THROWS_AS(open_in_root(proc.get(), "self/root/etc", O_PATH), std::system_error);
    CHECK_NOTHROW(open_in_root(proc.get(), "self/status", O_RDONLY));
}

TEST_CASE("open_in_root: the descriptor is close-on-exec", "[01][path_in_root]") {
    const Tree tree;
    CHECK((::fcntl(open_in_root(tree.fd.get(), "etc", O_PATH).get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("open_in_root_if_there: empty for what is missing, an error for what is in the way",
          "[01][path_in_root]") {
    const Tree tree;
    CHECK_FALSE(drydock::open_in_root_if_there(tree.fd.get(), "etc/nothing", O_PATH));
    CHECK_FALSE(drydock::open_in_root_if_there(tree.fd.get(), "nothing/name", O_PATH));
    CHECK(drydock::open_in_root_if_there(tree.fd.get(), "etc/name", O_PATH));
    CHECK_THROWS_AS(drydock::open_in_root_if_there(tree.fd.get(), "etc/name/x", O_PATH),
                    std::system_error);
}

TEST_CASE("make_directories_in_root: makes what is missing and takes what is there",
          "[01][path_in_root]") {
    const Tree tree;
    make_directories_in_root(tree.fd.get(), "/etc/a/./b//c");
    CHECK(fs::is_directory(tree.root / "etc/a/b/c"));
    CHECK_NOTHROW(make_directories_in_root(tree.fd.get(), "etc/a/b/c"));
    CHECK_NOTHROW(make_directories_in_root(tree.fd.get(), "/"));
    make_directories_in_root(tree.fd.get(), "x/../y");
    CHECK(fs::is_directory(tree.root / "y"));
}

TEST_CASE("make_directories_in_root: a link in the path has nothing made on the host",
          "[01][path_in_root]") {
    const Tree tree;
    fs::create_directory_symlink(tree.canary, tree.root / "work");
    fs::create_directory_symlink("../canary", tree.root / "up");
    CHECK_THROWS_AS(make_directories_in_root(tree.fd.get(), "work/new"), std::system_error);
    CHECK_THROWS_AS(make_directories_in_root(tree.fd.get(), "up/new"), std::system_error);
    make_directories_in_root(tree.fd.get(), "../../../made");
    CHECK(fs::is_directory(tree.root / "made"));
    CHECK(std::distance(fs::directory_iterator(tree.canary), fs::directory_iterator()) == 1);
}

TEST_CASE("make_directories_in_root: a file in the way is an error", "[01][path_in_root]") {
    const Tree tree;
    CHECK_THROWS_AS(make_directories_in_root(tree.fd.get(), "etc/name/x"), std::system_error);
}
