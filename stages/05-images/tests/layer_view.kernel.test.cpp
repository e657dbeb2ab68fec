#include "05-images/layer_view.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <system_error>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

#include "store_fixture.hpp"

using namespace drydock;
using drydock::testing::write_file;
namespace fs = std::filesystem;

namespace {

struct Layers {
    TempDir directory{"layers-"};
    fs::path top = directory.path() / "top";
    fs::path low = directory.path() / "low";
    Layers() {
        fs::create_directories(top);
        fs::create_directories(low);
    }
    [[nodiscard]] LayerView view() const { return LayerView({top, low}); }
};

}  // namespace

TEST_CASE("LayerView: the top layer's file is seen, and what only lower ones have",
          "[05][layer-view]") {
    Layers l;
    write_file(l.low / "etc/a", "low");
    write_file(l.low / "etc/b", "low");
    write_file(l.top / "etc/a", "top");
    const LayerView view = l.view();
    CHECK(view.read_file("/etc/a", 100) == "top");
    CHECK(view.read_file("/etc/b", 100) == "low");
    CHECK(view.read_file("/etc/c", 100) == std::nullopt);
    CHECK(view.list(*view.find("/etc")).size() == 2);
}

TEST_CASE("LayerView: whiteouts and opaque directories hide what is below", "[05][layer-view]") {
    Layers l;
    write_file(l.low / "d/a", "low");
    write_file(l.low / "gone", "low");
    write_file(l.low / "file/x", "low");
    fs::create_directories(l.top / "d");
    REQUIRE(::mknod((l.top / "gone").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    REQUIRE(::setxattr((l.top / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
    write_file(l.top / "file", "a file over a directory");
    const LayerView view = l.view();
    CHECK_FALSE(view.find("/gone").has_value());
    CHECK_FALSE(view.find("/d/a").has_value());
    CHECK_FALSE(view.find("/file/x").has_value());
    CHECK(view.list(*view.find("/d")).empty());
    CHECK(view.list(*view.find("/")).size() == 2);
}

TEST_CASE("LayerView: links lead nowhere but into the tree", "[05][layer-view]") {
    Layers l;
    write_file(l.low / "real/a", "inside");
    write_file(l.low / "etc/shadow", "the image's");
    fs::create_directory_symlink("/real", l.top / "absolute");
    fs::create_directory_symlink("real/../real", l.top / "relative");
    fs::create_symlink("../../../../../../etc/shadow", l.top / "out");
    fs::create_symlink("loop", l.top / "loop");
    const LayerView view = l.view();
    CHECK(view.read_file("/absolute/a", 100) == "inside");
    CHECK(view.read_file("/relative/a", 100) == "inside");
    CHECK(view.find("/absolute/a")->path == "/real/a");
    CHECK(view.read_file("/out", 100) == "the image's");
    CHECK(view.read_file("/absolute/../../../etc/shadow", 100) == "the image's");
    CHECK(view.resolve("/absolute/new/x") == "/real/new/x");
    CHECK(view.resolve("/relative/../new") == "/new");
    CHECK_THROWS_AS(view.find("/loop"), std::system_error);
    CHECK(S_ISLNK(view.find_nofollow("/out")->status.st_mode));
    CHECK(view.read_link(*view.find_nofollow("/absolute")) == "/real");
}

TEST_CASE("LayerView: what stands in a file's place is never opened, and reads are bounded",
          "[05][layer-view]") {
    Layers l;
    fs::create_directories(l.top / "etc");
    REQUIRE(::mkfifo((l.top / "etc/passwd").c_str(), 0600) == 0);
    fs::create_symlink("/proc/kmsg", l.top / "etc/group");
    write_file(l.top / "etc/big", "");
    REQUIRE(::truncate((l.top / "etc/big").c_str(), std::int64_t{4} << 30) == 0);
    const LayerView view = l.view();
    CHECK(view.read_file("/etc/passwd", 4096) == std::nullopt);
    CHECK(view.read_file("/etc/group", 4096) == std::nullopt);
    CHECK_THROWS_AS(view.read_file("/etc/big", 4096), InputError);
}
