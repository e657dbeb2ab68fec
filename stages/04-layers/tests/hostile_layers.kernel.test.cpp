// Archives that were made to break out, or to fill or confuse the host. Each must end in a clear
// error or a safe result, and the canary, a tree beside the layer, must stay as it was.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_apply.hpp"

#include "testing/catch.hpp"

#include "layer_testing.hpp"

namespace fs = std::filesystem;
using namespace drydock;
using namespace drydock::testing;

namespace {

/// A layer directory with a canary beside it.
class Target {
  public:
    Target() {
        fs::create_directories(dir_.path() / "canary/sub");
        std::ofstream(canary() / "secret") << "secret";
        fs::create_symlink("secret", canary() / "link");
        before_ = fingerprint(canary());
    }

    [[nodiscard]] fs::path canary() const { return dir_.path() / "canary"; }
    [[nodiscard]] fs::path layer() const { return dir_.path() / "layer"; }
    /// The error, "" for none.
    [[nodiscard]] std::string apply(const std::vector<Member>& members) const {
        return refusal_of(tar_of(members), layer());
    }
    [[nodiscard]] bool canary_is_untouched() const { return fingerprint(canary()) == before_; }

  private:
    TempDir dir_{"drydock-test"};
    std::map<std::string, std::string> before_{};
};

Member node(const std::string& path, TarType type, unsigned major, unsigned minor) {
    Member member = file(path, "");
    member.entry.type = type;
    member.entry.device_major = major;
    member.entry.device_minor = minor;
    return member;
}

struct stat status_of(const fs::path& path) {
    struct stat status{};
    check(::lstat(path.c_str(), &status), "lstat({})", path.native());
    return status;
}

bool has_attribute(const fs::path& path, const char* name) {
    return ::lgetxattr(path.c_str(), name, nullptr, 0) >= 0;
}

}  // namespace

TEST_CASE("hostile layer T1: no path leads out of the layer", "[04][hostile]") {
    const Target target;
    for (const char* path :
         {"../canary/x", "a/../../canary/x", "..", "/../canary/x", "a/b/../../../x"}) {
        INFO(path);
        CHECK_THAT(target.apply({directory("a"), file(path)}),
                   ContainsSubstring("layer: entry 2 ") && ContainsSubstring("\"..\""));
    }
    CHECK(target.apply({directory("./"), file("/etc//passwd"), file("./a/./b")}).empty());
    CHECK(fs::exists(target.layer() / "etc/passwd"));
    CHECK(fs::exists(target.layer() / "a/b"));
    CHECK_THAT(target.apply({file("./")}), ContainsSubstring("entry 1"));
    CHECK_THAT(target.apply({file(std::string(5000, 'n'))}),
               ContainsSubstring("a name of 5000 bytes"));
    CHECK_THAT(target.apply({file("a\nb/../c")}), ContainsSubstring("\"a\\x0ab/../c\""));
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T2: a symbolic link is never followed on the way", "[04][hostile]") {
    const Target target;
    const std::string canary = target.canary().native();
    for (const std::string& to :
         {canary, std::string("../canary"), std::string("."), std::string("nowhere")}) {
        for (const Member& member :
             {file("d/x"), directory("d/x"), directory("d/sub", 0777), symbolic_link("d/x", "y"),
              hard_link("d/x", "f"), file("d/.wh.secret", ""), file("d/.wh..wh..opq", ""),
              file("d/sub/x"), node("d/x", TarType::Fifo, 0, 0)}) {
            INFO(to << " " << member.entry.path);
            CHECK_THAT(target.apply({file("f"), symbolic_link("d", to), member}),
                       ContainsSubstring("entry 3") && ContainsSubstring("symbolic link"));
        }
        // The link itself gives way to a file or a directory of its name.
        CHECK(target.apply({symbolic_link("d", to), file("d", "in the layer")}).empty());
        CHECK(S_ISREG(status_of(target.layer() / "d").st_mode));
        CHECK(target.apply({symbolic_link("e", to), directory("e", 0777)}).empty());
        CHECK(S_ISDIR(status_of(target.layer() / "e").st_mode));
    }
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T2: nor one that an earlier archive left", "[04][hostile]") {
    const Target target;
    CHECK(target
              .apply({symbolic_link("d", target.canary().native()), directory("a"),
                      symbolic_link("a/b", target.canary().native())})
              .empty());
    CHECK_THAT(target.apply({file("d/x")}), ContainsSubstring("symbolic link"));
    CHECK_THAT(target.apply({file("a/b/sub/x")}), ContainsSubstring("symbolic link"));
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T3: a hard link reaches earlier files of its layer only",
          "[04][hostile]") {
    const Target target;
    const std::string secret = (target.canary() / "secret").native();
    for (const std::string& to :
         {secret, std::string("/etc/passwd"), std::string("later"), std::string("h"),
          std::string("d"), std::string("s/secret"), std::string("/")}) {
        INFO(to);
        CHECK_THAT(target.apply({directory("d"), symbolic_link("s", target.canary().native()),
                                 hard_link("h", to), file("later")}),
                   ContainsSubstring("entry 3 \"h\": is a hard link to"));
        CHECK_FALSE(fs::exists(target.layer() / "h"));
    }
    CHECK_THAT(target.apply({hard_link("h", "../canary/secret")}), ContainsSubstring("\"..\""));
    // To a symbolic link: another name for the link. Through it nothing is written.
    CHECK(target.apply({symbolic_link("s", secret), hard_link("h", "s")}).empty());
    CHECK(S_ISLNK(status_of(target.layer() / "h").st_mode));
    CHECK(
        target.apply({symbolic_link("s", secret), hard_link("h", "s"), file("h", "new")}).empty());
    CHECK(read_file(target.layer() / "h") == "new");
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T3: a file in place of a hard link leaves its other name alone",
          "[04][hostile]") {
    const Target target;
    CHECK(target.apply({file("a", "one"), hard_link("b", "a"), file("b", "two")}).empty());
    CHECK(read_file(target.layer() / "a") == "one");
    CHECK(read_file(target.layer() / "b") == "two");
}

TEST_CASE("hostile layer T4: a whiteout names one file of its directory", "[04][hostile]") {
    const Target target;
    for (const char* path : {".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", ".wh.x/y"}) {
        INFO(path);
        CHECK_THAT(target.apply({directory("a"), file(path, "")}),
                   ContainsSubstring("is no whiteout of a name"));
    }
    CHECK_THAT(target.apply({file("../.wh.canary", "")}), ContainsSubstring("\"..\""));
    CHECK(target
              .apply({file(".wh..wh.plnk", ""), file(".wh..wh.plnk/1.2", ""),
                      file(".wh..wh.aufs", "")})
              .empty());
    CHECK_FALSE(fs::exists(target.layer() / ".wh..wh.plnk"));
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T5: a change of type removes the link, not what it points at",
          "[04][hostile]") {
    const Target target;
    const std::string canary = target.canary().native();
    CHECK(target
              .apply({directory("d"), file("d/f"), symbolic_link("d", canary), directory("d"),
                      file("d/secret", "mine"), symbolic_link("d", canary),
                      file("d", "file at last")})
              .empty());
    CHECK(read_file(target.layer() / "d") == "file at last");
    CHECK_THAT(target.apply({file("f"), file("f/x")}), ContainsSubstring("is not a directory"));
    CHECK(target.canary_is_untouched());
}

TEST_CASE("hostile layer T6: a device that overlay takes for a whiteout is refused",
          "[04][hostile]") {
    const Target target;
    CHECK_THAT(target.apply({node("fake", TarType::CharDevice, 0, 0)}),
               ContainsSubstring("entry 1 \"fake\": a character device 0:0"));
    CHECK(target.apply({node("null", TarType::CharDevice, 1, 3), node("pipe", TarType::Fifo, 0, 0)})
              .empty());
    CHECK(status_of(target.layer() / "null").st_rdev == makedev(1, 3));
    // Another archive writes a file of that name: the device itself never sees the bytes.
    CHECK(target.apply({file("null", "x"), file("pipe", "y")}).empty());
    CHECK(read_file(target.layer() / "null") == "x");
    CHECK(read_file(target.layer() / "pipe") == "y");
}

TEST_CASE("hostile layer T7: attributes of overlay and of security modules are dropped",
          "[04][hostile]") {
    const Target target;
    Member marked = directory("d");
    for (const char* name :
         {"trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque",
          "security.selinux", "security.ima", "trusted.mine", "user.mine"}) {
        marked.entry.xattrs.push_back({.name = name, .value = "y"});
    }
    CHECK(target.apply({marked}).empty());
    for (const char* name : {"trusted.overlay.opaque", "trusted.overlay.redirect",
                             "user.overlay.opaque", "security.selinux", "security.ima"}) {
        INFO(name);
        CHECK_FALSE(has_attribute(target.layer() / "d", name));
    }
    CHECK(has_attribute(target.layer() / "d", "trusted.mine"));
    CHECK(has_attribute(target.layer() / "d", "user.mine"));
    Member many = file("many");
    for (int i = 0; i < 100'000; ++i) {
        many.entry.xattrs.push_back(
            {.name = "user.attribute-" + std::to_string(i), .value = "1234567890"});
    }
    CHECK_FALSE(target.apply({many}).empty());
}

TEST_CASE("hostile layer T8: an owner that is no user ID is refused", "[04][hostile]") {
    const Target target;
    for (const std::int64_t id : {std::int64_t{4'294'967'295}, std::int64_t{1} << 40U}) {
        Member member = file("x");
        member.entry.uid = id;
        CHECK_THAT(target.apply({member}), ContainsSubstring("out of range"));
        member.entry.uid = 0;
        member.entry.gid = id;
        CHECK_THAT(target.apply({member}), ContainsSubstring("out of range"));
    }
}

TEST_CASE("hostile layer T12: trailing bytes count for the DiffID", "[04][hostile]") {
    const Target target;
    const std::string archive = tar_of({file("a")});
    CHECK(apply_to(archive + std::string(100'000, 't'), target.layer()).diff_id ==
          digest_of(archive + std::string(100'000, 't')));
    CHECK_THAT(refusal_of(gzip_of(archive).substr(0, 60), target.layer()),
               ContainsSubstring("layer: damaged at byte 60"));
}

TEST_CASE("hostile layer T13: of duplicates the last one wins", "[04][hostile]") {
    const Target target;
    std::vector<Member> members;
    for (int i = 0; i < 1000; ++i) {
        members.push_back(file("same", std::to_string(i)));
    }
    members.push_back(file("Same", "another"));
    members.push_back(file("e\u0301", "decomposed"));
    members.push_back(file("\u00e9", "composed"));
    CHECK(target.apply(members).empty());
    CHECK(read_file(target.layer() / "same") == "999");
    CHECK(std::distance(fs::directory_iterator(target.layer()), {}) == 4);
}

TEST_CASE("hostile layer T14: times beyond what a filesystem keeps are taken as far as it can",
          "[04][hostile]") {
    const Target target;
    Member late = file("late");
    late.entry.mtime.tv_sec = std::int64_t{1} << 62U;
    Member early = file("early");
    early.entry.mtime.tv_sec = -(std::int64_t{1} << 62U);
    CHECK(target.apply({late, early}).empty());
    CHECK(status_of(target.layer() / "late").st_mtim.tv_sec >
          status_of(target.layer() / "early").st_mtim.tv_sec);
}
