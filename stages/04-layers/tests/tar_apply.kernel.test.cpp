#include "04-layers/tar_apply.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_create.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "layer_testing.hpp"

namespace fs = std::filesystem;
using namespace drydock;
using namespace drydock::testing;

namespace {

struct stat status_of(const fs::path& path) {
    struct stat status{};
    check(::lstat(path.c_str(), &status), "lstat({})", path.native());
    return status;
}

bool is_whiteout(const fs::path& path) {
    const struct stat status = status_of(path);
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

std::string attribute(const fs::path& path, const char* name) {
    std::array<char, 256> value{};
    const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    return size < 0 ? "none" : std::string(value.data(), static_cast<std::size_t>(size));
}

/// The blob of a tree, and its DiffID.
std::pair<std::string, Digest> packed(const fs::path& tree) {
    std::string blob;
    const LayerBlob layer = create_layer(
        [&](std::span<const std::byte> bytes) {
            blob.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        },
        open_file(tree, O_RDONLY | O_DIRECTORY).get());
    return {blob, layer.diff_id};
}

}  // namespace

TEST_CASE("apply_layer: unpacks what create_layer packed, for any tree", "[04][apply]") {
    const TempDir dir("drydock-test");
    for (std::uint32_t seed = 1; seed <= 12; ++seed) {
        INFO("seed " << seed);
        const fs::path tree = dir.path() / fmt::format("tree{}", seed);
        const fs::path copy = dir.path() / fmt::format("copy{}", seed);
        make_tree(tree, seed, true);
        const auto [blob, diff_id] = packed(tree);
        CHECK(apply_to(blob, copy).diff_id == diff_id);
        auto expected = fingerprint(tree);
        auto unpacked = fingerprint(copy);
        expected.erase(".");  // a layer says nothing of its root
        unpacked.erase(".");
        CHECK(difference(expected, unpacked) == "");
        // Packed again it is the same blob, byte for byte.
        CHECK(digest_of(packed(copy).first) == digest_of(blob));
    }
}

TEST_CASE("apply_layer: whiteouts and opaque directories survive a round", "[04][apply]") {
    const TempDir dir("drydock-test");
    const fs::path first = dir.path() / "first";
    apply_to(tar_of({directory("d/"), file("d/.wh..wh..opq", ""), file("d/new"), directory("e/"),
                     file("e/.wh.gone", ""), file(".wh.all", "")}),
             first);
    CHECK(is_whiteout(first / "e/gone"));
    CHECK(is_whiteout(first / "all"));
    CHECK(attribute(first / "d", "trusted.overlay.opaque") == "y");
    CHECK_FALSE(fs::exists(first / "d/.wh..wh..opq"));
    const auto [blob, diff_id] = packed(first);
    const fs::path second = dir.path() / "second";
    CHECK(apply_to(blob, second).diff_id == diff_id);
    CHECK(is_whiteout(second / "e/gone"));
    CHECK(is_whiteout(second / "all"));
    CHECK(attribute(second / "d", "trusted.overlay.opaque") == "y");
    CHECK(packed(second).first == blob);
}

TEST_CASE("apply_layer: a whiteout hides lower layers only, wherever it stands in the archive",
          "[04][apply]") {
    const TempDir dir("drydock-test");
    const fs::path root = dir.path() / "root";
    apply_to(tar_of({file(".wh.after", ""), file("after"), file("before"), file(".wh.before", ""),
                     file(".wh.dir-after", ""), file("dir-after/x"), file(".wh.entry-after", ""),
                     directory("entry-after/"), file("entry-after/x"), directory("dir-before/"),
                     file("dir-before/x"), file(".wh.dir-before", "")}),
             root);
    CHECK(S_ISREG(status_of(root / "after").st_mode));
    CHECK(S_ISREG(status_of(root / "before").st_mode));
    for (const char* name : {"dir-after", "entry-after", "dir-before"}) {
        INFO(name);
        CHECK(fs::exists(root / name / "x"));
        CHECK(attribute(root / name, "trusted.overlay.opaque") == "y");
    }
}

TEST_CASE("apply_layer: keeps owner, mode, times, capabilities and holes", "[04][apply]") {
    const TempDir dir("drydock-test");
    Member capable = file("capable", "binary", 0755);
    capable.entry.uid = 1234;
    capable.entry.gid = 4'000'000'000;
    capable.entry.mtime = {.tv_sec = 1'500'000'000, .tv_nsec = 999'999'999};
    capable.entry.xattrs = {
        {.name = "security.capability",
         .value = std::string("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}};
    apply_to(tar_of({directory("d", 02750), capable, file("d/setuid", "x", 06755)}),
             dir.path() / "r");
    const struct stat status = status_of(dir.path() / "r/capable");
    CHECK(status.st_uid == 1234);
    CHECK(status.st_gid == 4'000'000'000);
    CHECK(status.st_mtim.tv_sec == 1'500'000'000);
    CHECK(status.st_mtim.tv_nsec == 999'999'999);
    CHECK(attribute(dir.path() / "r/capable", "security.capability") ==
          capable.entry.xattrs[0].value);
    CHECK((status_of(dir.path() / "r/d/setuid").st_mode & 07777U) == 06755);
    CHECK((status_of(dir.path() / "r/d").st_mode & 07777U) == 02750);
    CHECK(status_of(dir.path() / "r/d").st_mtim.tv_sec == 1'600'000'000);
}

TEST_CASE("apply_layer: holes stay holes, also at the end of a file", "[04][apply]") {
    const TempDir dir("drydock-test");
    const fs::path sparse = dir.path() / "sparse";
    std::ofstream(sparse) << "begin";
    constexpr std::uintmax_t kSize = std::uintmax_t{64} << 20U;
    fs::resize_file(sparse, kSize);
    const std::string archive = (dir.path() / "a.tar").native();
    REQUIRE(run_program({"tar", "--sparse", "-cf", archive, "-C", dir.path().native(), "sparse"})
                .status == 0);
    apply_to(read_file(archive), dir.path() / "r");
    const struct stat status = status_of(dir.path() / "r/sparse");
    CHECK(static_cast<std::uintmax_t>(status.st_size) == kSize);
    CHECK(status.st_blocks < 100);
    CHECK(read_file(dir.path() / "r/sparse", kSize) == read_file(sparse, kSize));
}

TEST_CASE("apply_layer: modes do not depend on our umask", "[04][apply]") {
    const TempDir dir("drydock-test");
    const mode_t before = ::umask(077);
    apply_to(tar_of({file("a/b/x"), file("y", "", 0666), directory("z", 0777)}), dir.path() / "r");
    ::umask(before);
    CHECK((status_of(dir.path() / "r/a/b").st_mode & 07777U) == 0755);
    CHECK((status_of(dir.path() / "r/y").st_mode & 07777U) == 0666);
    CHECK((status_of(dir.path() / "r/z").st_mode & 07777U) == 0777);
}

TEST_CASE("apply_layer: a read-only directory can be filled", "[04][apply]") {
    const TempDir dir("drydock-test");
    CHECK(
        refusal_of(tar_of({directory("d", 0555), file("d/x"), directory("d/e", 0), file("d/e/y")}),
                   dir.path() / "r")
            .empty());
    CHECK((status_of(dir.path() / "r/d/e").st_mode & 07777U) == 0);
}

TEST_CASE(
    "apply_layer: takes mode and owner of unmentioned directories from below, not from what is "
    "hidden",
    "[04][apply]") {
    const TempDir dir("drydock-test");
    apply_to(tar_of({directory("a", 0700), directory("a/b", 0711), directory("c", 0700)}),
             dir.path() / "1");
    apply_to(tar_of({file(".wh.c", "")}), dir.path() / "2");
    const UniqueFd lowest = open_file(dir.path() / "1", O_RDONLY | O_DIRECTORY);
    const UniqueFd upper = open_file(dir.path() / "2", O_RDONLY | O_DIRECTORY);
    apply_to(tar_of({file("a/b/x"), file("c/x")}), dir.path() / "3",
             {.lowers = {upper.get(), lowest.get()}});
    CHECK((status_of(dir.path() / "3/a").st_mode & 07777U) == 0700);
    CHECK((status_of(dir.path() / "3/a/b").st_mode & 07777U) == 0711);
    CHECK((status_of(dir.path() / "3/c").st_mode & 07777U) == 0755);
}

TEST_CASE("create_layer: a file that would be read as a whiteout is refused by name",
          "[04][create]") {
    const TempDir dir("drydock-test");
    std::ofstream(dir.path() / ".wh.x") << "";
    CHECK_THROWS_WITH(packed(dir.path()), ContainsSubstring("\".wh.x\": a layer cannot hold"));
}

TEST_CASE("create_layer: times later than latest_mtime become it", "[04][create]") {
    const TempDir dir("drydock-test");
    std::ofstream(dir.path() / "x") << "";
    const auto digest_at = [&](time_t seconds, std::optional<std::int64_t> latest) {
        const std::array<timespec, 2> times{
            {{.tv_sec = seconds, .tv_nsec = 5}, {.tv_sec = seconds, .tv_nsec = 5}}};
        check(::utimensat(AT_FDCWD, (dir.path() / "x").c_str(), times.data(), 0), "utimensat()");
        return create_layer([](std::span<const std::byte>) {},
                            open_file(dir.path(), O_RDONLY | O_DIRECTORY).get(),
                            {.latest_mtime = latest})
            .diff_id;
    };
    CHECK(digest_at(2'000'000'000, 1'000'000'000) == digest_at(1'000'000'000, std::nullopt));
    CHECK(digest_at(1, 1'000'000'000) != digest_at(2, 1'000'000'000));
}
