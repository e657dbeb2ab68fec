#include "07-compose/cli/build_context.hpp"

#include <filesystem>
#include <fstream>

#include "01-chroot/temp_dir.hpp"
#include "07-compose/cli/ignore_rules.hpp"
#include "07-compose/cli/tar_writer.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

namespace fs = std::filesystem;
using namespace drydock::cli;
using drydock::TempDir;
using drydock::testing::run_program;

namespace {

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

/// The context as tar(1) lists it.
std::string listed(const fs::path& context, const std::string& dockerfile = "Dockerfile") {
    const TempDir directory("drydock-test");
    const fs::path archive = directory.path() / "context.tar";
    {
        std::ofstream out(archive, std::ios::binary);
        write_context(context, dockerfile, [&](std::string_view bytes) { out << bytes; });
    }
    return run_program({"tar", "-tf", archive.native()}).out;
}

}  // namespace

TEST_CASE("write_context: tar(1) reads names, modes, links and bytes as they were",
          "[07][cli][context]") {
    const TempDir context("drydock-test");
    const std::string deep =
        std::string(60, 'd') + "/" + std::string(60, 'e') + "/" + std::string(90, 'f');
    write(context.path() / "Dockerfile", "FROM scratch\n");
    write(context.path() / "empty", "");
    write(context.path() / deep, std::string(100'000, 'x'));
    fs::create_symlink(std::string(150, 't'), context.path() / "link");
    fs::permissions(context.path() / "Dockerfile", fs::perms(0640));
    const TempDir out("drydock-test");
    {
        std::ofstream archive(out.path() / "c.tar", std::ios::binary);
        write_context(context.path(), "Dockerfile",
                      [&](std::string_view bytes) { archive << bytes; });
    }
    fs::create_directory(out.path() / "x");
    const auto tar = run_program(
        {"tar", "-xpf", (out.path() / "c.tar").native(), "-C", (out.path() / "x").native()});
    REQUIRE(tar.status == 0);
    CHECK(tar.err.empty());
    CHECK(run_program({"diff", "-r", "--no-dereference", context.path().native(),
                       (out.path() / "x").native()})
              .out.empty());
    CHECK((fs::status(out.path() / "x/Dockerfile").permissions() & fs::perms::mask) ==
          fs::perms(0640));
    CHECK(fs::read_symlink(out.path() / "x/link") == std::string(150, 't'));
}

TEST_CASE("write_context: .dockerignore leaves things out, never the Dockerfile",
          "[07][cli][context]") {
    const TempDir context("drydock-test");
    for (const char* name : {"Dockerfile", "a.txt", "b.log", "keep.log", "node_modules/x/y",
                             "src/main.c", "src/t/test.o"}) {
        write(context.path() / name, "x");
    }
    write(context.path() / ".dockerignore",
          "# comment\n*.log\n!keep.log\nnode_modules\n**/*.o\nDockerfile\n");
    CHECK(listed(context.path()) ==
          ".dockerignore\nDockerfile\na.txt\nkeep.log\nsrc/\nsrc/main.c\nsrc/t/\n");
}

TEST_CASE("write_context: an exception below an ignored folder is found", "[07][cli][context]") {
    const TempDir context("drydock-test");
    write(context.path() / "docs/a", "x");
    write(context.path() / "docs/README", "x");
    write(context.path() / ".dockerignore", "docs\n!docs/README\n");
    CHECK(listed(context.path()) == ".dockerignore\ndocs/README\n");
}

TEST_CASE("glob_matches: as Go's filepath.Match, and two stars", "[07][cli][context]") {
    CHECK(glob_matches("*.c", "a.c"));
    CHECK_FALSE(glob_matches("*.c", "d/a.c"));
    CHECK(glob_matches("**/*.c", "a.c"));
    CHECK(glob_matches("**/*.c", "d/e/a.c"));
    CHECK(glob_matches("d/**", "d/e/f"));
    CHECK(glob_matches("a?c", "abc"));
    CHECK_FALSE(glob_matches("a?c", "a/c"));
    CHECK(glob_matches("[a-c]x", "bx"));
    CHECK_FALSE(glob_matches("[^a-c]x", "bx"));
    CHECK(glob_matches("\\*", "*"));
    CHECK_FALSE(glob_matches("\\*", "a"));
}

TEST_CASE("TarWriter: a file that grows while it is read is refused", "[07][cli][context]") {
    TarWriter tar([](std::string_view) {});
    tar.file("x", 0644, 3);
    CHECK_THROWS(tar.data("four"));
}
