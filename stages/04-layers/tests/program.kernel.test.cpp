// drydock-04 as a user meets it.

#include "testing/program.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/content_store.hpp"
#include "04-layers/tar_writer.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "layer_testing.hpp"

namespace fs = std::filesystem;
using namespace drydock;
using namespace drydock::testing;

namespace {

/// Paths of archives for `run`: a root, and a layer over it.
struct Archives {
    TempDir dir{"drydock-test"};
    std::string root = write("root.tar", tar_of(members_of_root()));
    std::string top =
        write("top.tar.gz", gzip_of(tar_of({file("etc/motd", "top"), file(".wh.gone", "")})));

    [[nodiscard]] std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(dir.path() / name, std::ios::binary) << bytes;
        return (dir.path() / name).native();
    }
    static std::vector<Member> members_of_root() {
        const std::string busybox = read_file("/bin/busybox");
        return {directory("./"),
                directory("bin/"),
                file("bin/busybox", busybox, 0755),
                symbolic_link("bin/sh", "busybox"),
                symbolic_link("bin/cat", "busybox"),
                directory("etc/"),
                file("etc/motd", "root"),
                file("gone")};
    }
};

bool is_empty_of_leftovers(const fs::path& dir) {
    for (const auto& entry : fs::directory_iterator(dir)) {
        if (entry.path().filename().native().starts_with(".") ||
            entry.path().filename().native().starts_with("drydock-04")) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("drydock-04 apply, diff: unpack and pack the same layer, and print its digests",
          "[04][program]") {
    const TempDir dir("drydock-test");
    make_tree(dir.path() / "tree", 3, true);
    check(::mknod((dir.path() / "tree/gone").c_str(), S_IFCHR, makedev(0, 0)), "mknod()");
    const std::string tree = (dir.path() / "tree").native();
    const std::string blob = (dir.path() / "a.tar.gz").native();
    const std::string copy = (dir.path() / "copy").native();
    const Outcome packed = run_program({"drydock-04", "diff", tree, "-o", blob});
    CHECK(packed.status == 0);
    CHECK_THAT(packed.out, ContainsSubstring("digest " + digest_of(read_file(blob)).text() +
                                             "\ndiffID sha256:"));
    const Outcome applied = run_program({"drydock-04", "apply", blob, copy});
    CHECK(applied.status == 0);
    CHECK_THAT(packed.out, ContainsSubstring(applied.out.substr(0, applied.out.find('\n'))));
    CHECK(applied.err.empty());
    auto expected = fingerprint(tree);
    auto unpacked = fingerprint(copy);
    expected.erase(".");
    unpacked.erase(".");
    expected.erase("gone");  // a whiteout has no time of its own
    CHECK(unpacked.erase("gone") == 1);
    CHECK(difference(expected, unpacked) == "");
    CHECK(is_empty_of_leftovers(dir.path()));
}

TEST_CASE("drydock-04 apply: a directory whose archive does not name it has mode 0755",
          "[04][program][umask]") {
    const TempDir dir("drydock-test");
    const fs::path archive = dir.path() / "a.tar";
    std::ofstream(archive, std::ios::binary) << tar_of({file("f")});
    const mode_t before = ::umask(077);
    const Outcome applied = run_program({"drydock-04", "apply", archive, dir.path() / "out"});
    ::umask(before);
    CHECK(applied.status == 0);
    CHECK(fs::status(dir.path() / "out").permissions() == fs::perms(0755));
}

TEST_CASE("drydock-04 apply: each error is one line, and leaves nothing", "[04][program]") {
    const Archives archives;
    const fs::path dir = archives.dir.path();
    const std::string cut = archives.write("cut.tar.gz", read_file(archives.top).substr(0, 100));
    const std::string hostile = archives.write("hostile.tar", tar_of({file("ok"), file("../out")}));
    const auto error_of = [&](const std::string& layer, const std::string& target) {
        const Outcome outcome = run_program({"drydock-04", "apply", layer, target});
        CHECK(outcome.status == 125);
        CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
        return outcome.err;
    };
    const std::string target = (dir / "target").native();
    CHECK(error_of(cut, target) ==
          "drydock-04: " + cut + ": damaged at byte 100: gzip: the file ends too early\n");
    CHECK_THAT(error_of(hostile, target),
               ContainsSubstring(hostile + ": entry 2 \"../out\": \"..\" in its path"));
    CHECK_THAT(error_of("/nowhere", target), ContainsSubstring("open(/nowhere"));
    CHECK_FALSE(fs::exists(target));
    CHECK_THAT(error_of(archives.top, dir.native()), ContainsSubstring("not empty"));
    CHECK_FALSE(fs::exists(dir / "out"));
    CHECK(is_empty_of_leftovers(dir));
}

TEST_CASE("drydock-04 mount: shows the layers as one tree", "[04][program]") {
    const TempDir dir("drydock-test");
    for (const char* name : {"a", "b", "u", "w", "m"}) {
        fs::create_directory(dir.path() / name);
    }
    std::ofstream(dir.path() / "a/x") << "topmost";
    std::ofstream(dir.path() / "b/x") << "lowest";
    std::ofstream(dir.path() / "b/y") << "lowest";
    const auto at = [&](const char* name) { return (dir.path() / name).native(); };
    const int status = in_mount_namespace([&] {
        const Outcome outcome =
            run_program({"drydock-04", "mount", "--lower", at("a") + ":" + at("b"), "--upper",
                         at("u"), "--work", at("w"), at("m")});
        if (outcome.status != 0) {
            return outcome.status;
        }
        std::ofstream(dir.path() / "m/new") << "x";
        return read_file(dir.path() / "m/x") == "topmost" &&
                       read_file(dir.path() / "m/y") == "lowest"
                   ? 0
                   : 1;
    });
    CHECK(status == 0);
    CHECK(fs::exists(dir.path() / "u/new"));
    CHECK_THAT(run_program({"drydock-04", "mount", "--lower", at("a"), at("m")}).err,
               ContainsSubstring("expected --upper and --work, or two lower"));
    CHECK_THAT(run_program({"drydock-04", "mount", "--lower", "/no,where", "--upper", at("u"),
                            "--work", at("w"), at("m")})
                   .err,
               ContainsSubstring("/no,where"));
}

TEST_CASE("drydock-04 store: lists and verifies, and names what is damaged", "[04][program]") {
    const TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    const Digest good = store.put("good");
    const Digest bad = store.put("bad");
    const std::string path = dir.path().native();
    CHECK_THAT(run_program({"drydock-04", "store", "ls", path}).out,
               ContainsSubstring(good.text() + "  4\n"));
    CHECK(run_program({"drydock-04", "store", "verify", path}).out ==
          "7 bytes in 2 blobs, each as its digest says\n");
    std::ofstream(store.path_of(bad)) << "rot";
    const Outcome verified = run_program({"drydock-04", "store", "verify", path});
    CHECK(verified.status == 1);
    CHECK(verified.out == bad.text() + "  damaged: " + store.path_of(bad).native() + "\n");
    const Outcome none = run_program({"drydock-04", "store", "ls", path + "/blobs"});
    CHECK(none.status == 125);
    CHECK_THAT(none.err, ContainsSubstring("no content store"));
    CHECK_FALSE(fs::exists(dir.path() / "blobs/oci-layout"));
}

TEST_CASE("drydock-04 run: runs in the layers, and throws the changes away", "[04][program]") {
    const Archives archives;
    const std::vector<std::string> env{"TMPDIR=" + archives.dir.path().native()};
    const auto run = [&](const std::string& script) {
        return run_program({"drydock-04", "run", "--layer", archives.root, "--layer", archives.top,
                            "sh", "-c", script},
                           env);
    };
    const Outcome outcome =
        run("cat /etc/motd; test -e /gone && echo still there; echo x > /new; cat /new; exit 7");
    CHECK(outcome.out == "topx\n");
    CHECK(outcome.status == 7);
    CHECK(run("test -e /new").status == 1);
    CHECK(run_program({"drydock-04", "run", "--layer", archives.root, "nosuch"}, env).status ==
          127);
    CHECK(run_program({"drydock-04", "run", "--layer", "/nowhere", "sh"}, env).status == 125);
    CHECK(run_program({"drydock-04", "run", "sh"}, env).status == 125);
    CHECK_THAT(
        run_program({"drydock-04", "run", "--userns", "--layer", archives.root, "sh"}, env).err,
        ContainsSubstring("not implemented: layers in a user namespace"));
    CHECK(is_empty_of_leftovers(archives.dir.path()));
}

TEST_CASE("drydock-04 apply: a signal ends it and leaves nothing", "[04][program]") {
    const TempDir dir("drydock-test");
    // A file of 2 GiB, nearly all of it a hole in the archive: long enough to be interrupted.
    const std::string archive = (dir.path() / "long.tar").native();
    Member member = file("zeros", "");
    std::string header;
    TarWriter writer([&](std::span<const std::byte> bytes) {
        header.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    member.entry.size = std::int64_t{2} << 30U;
    writer.begin(member.entry);
    std::ofstream(archive, std::ios::binary) << header;
    fs::resize_file(archive, (std::uintmax_t{2} << 30U) + 4096);
    const std::string target = (dir.path() / "target").native();
    const Outcome outcome =
        run_program({"timeout", "--preserve-status", "-s", "INT", "0.3",
                     program_path("drydock-04").native(), "apply", archive, target});
    CHECK(outcome.err == "drydock-04: interrupted by signal 2\n");
    CHECK(outcome.status == 130);
    CHECK_FALSE(fs::exists(target));
    CHECK(is_empty_of_leftovers(dir.path()));
}
