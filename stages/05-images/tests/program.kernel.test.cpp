#include "testing/program.hpp"

#include <unistd.h>

#include <filesystem>

#include "testing/catch.hpp"

#include "store_fixture.hpp"

using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::StoreFixture;
using drydock::testing::write_file;

namespace {

struct ProgramFixture : StoreFixture {
    Outcome drydock(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(),
                         {"drydock-05", "--data-root", store.data_root().native()});
        return drydock::testing::run_program(arguments);
    }
};

}  // namespace

TEST_CASE("drydock-05 run: the base image works with no network and leaves nothing",
          "[05][program]") {
    ProgramFixture f;
    const Outcome first =
        f.drydock({"run", "drydock/base", "sh", "-c", "echo $$; hostname; touch /new; ls /new"});
    INFO(first.err);
    CHECK(first.status == 0);
    CHECK_THAT(first.out, ContainsSubstring("1\n") && ContainsSubstring("/new"));
    const std::string before = f.state();
    CHECK(f.drydock({"run", "drydock/base", "ls", "/new"}).status == 1);
    CHECK(f.drydock({"run", "drydock/base", "sh", "-c", "exit 7"}).status == 7);
    CHECK(f.drydock({"run", "drydock/base", "nosuch"}).status == 127);
    CHECK(f.drydock({"run", "drydock/base", "/etc/passwd"}).status == 126);
    CHECK(f.state() == before);
}

TEST_CASE("drydock-05 run: flags reach the container", "[05][program]") {
    ProgramFixture f;
    const Outcome outcome =
        f.drydock({"run", "-e", "A=1", "-w", "/tmp", "-u", "www-data", "--hostname", "h",
                   "drydock/base", "sh", "-c", "echo $A $(pwd) $(id -un) $(hostname)"});
    INFO(outcome.err);
    CHECK(outcome.out == "1 /tmp www-data h\n");
    CHECK(f.drydock({"run", "--entrypoint", "echo", "drydock/base", "-n", "x"}).out == "x");
    CHECK(f.drydock({"run", "--read-only", "drydock/base", "touch", "/x"}).status == 1);
}

TEST_CASE("drydock-05: build, images, tag, inspect, history, save, rmi, load", "[05][program]") {
    ProgramFixture f;
    const std::filesystem::path context = f.directory.path() / "context";
    write_file(context / "Dockerfile",
               "FROM drydock/base\nARG WHO=world\nRUN echo hello $WHO > /hello\nCMD [\"cat\", "
               "\"/hello\"]\n");
    Outcome outcome =
        f.drydock({"build", "-t", "demo", "--build-arg", "WHO=you", context.native()});
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(f.drydock({"run", "demo"}).out == "hello you\n");
    CHECK(f.drydock({"tag", "demo", "demo:v1"}).status == 0);
    CHECK_THAT(f.drydock({"images"}).out, ContainsSubstring("demo") && ContainsSubstring("v1") &&
                                              ContainsSubstring("drydock/base"));
    CHECK_THAT(f.drydock({"inspect", "demo"}).out,
               ContainsSubstring("\"RepoTags\"") && ContainsSubstring("demo:v1"));
    CHECK_THAT(
        f.drydock({"history", "demo"}).out,
        ContainsSubstring("|1 WHO=you /bin/sh -c echo hello") && ContainsSubstring("<missing>"));
    const std::string archive = (f.directory.path() / "demo.tar").native();
    CHECK(f.drydock({"save", "-o", archive, "demo"}).status == 0);
    CHECK_THAT(f.drydock({"rmi", "demo:v1", "demo"}).out,
               ContainsSubstring("Untagged: demo:latest") && ContainsSubstring("Deleted: sha256:"));
    CHECK(f.drydock({"run", "demo"}).status == 125);
    CHECK(f.drydock({"load", "-i", archive}).out == "Loaded image: demo:latest\n");
    CHECK(f.drydock({"run", "demo"}).out == "hello you\n");
}

TEST_CASE("drydock-05: one clear line and a status for what is wrong", "[05][program]") {
    ProgramFixture f;
    const std::filesystem::path context = f.directory.path() / "context";
    write_file(context / "Dockerfile", "FROM drydock/base\nRUN exit 7\n");
    const Outcome failed = f.drydock({"build", context.native()});
    CHECK(failed.status == 7);
    CHECK(failed.err ==
          "drydock-05: The command '/bin/sh -c exit 7' returned a non-zero code: 7\n");
    write_file(context / "Dockerfile", "FROM drydock/base\n\nRNU x\n");
    CHECK(f.drydock({"build", context.native()}).err ==
          "drydock-05: Dockerfile:3: unknown instruction \"RNU\"; did you mean RUN?\n");
    CHECK(f.drydock({"rmi", "nosuch"}).err == "drydock-05: No such image: nosuch:latest\n");
    CHECK(f.drydock({"load", "-i", (context / "Dockerfile").native()}).status == 125);
    const std::string missing = (f.directory.path() / "out.tar").native();
    CHECK(f.drydock({"save", "-o", missing, "nosuch"}).status == 125);
    CHECK_FALSE(std::filesystem::exists(missing));
    CHECK(f.drydock({"build", "/nowhere"}).status == 125);
    CHECK(f.drydock({"frobnicate"}).status == 125);
}

TEST_CASE("drydock-05 build: --check builds nothing, --ssh is refused, drydock/base has an age",
          "[05][program][check]") {
    ProgramFixture f;
    const std::filesystem::path context = f.directory.path() / "context";
    write_file(context / "Dockerfile", "FROM drydock/base\nWORKDIR srv\n");
    const Outcome checked = f.drydock({"build", "--check", context.native()});
    CHECK(checked.status == 1);
    CHECK_THAT(checked.out, ContainsSubstring("Dockerfile:2: WorkdirRelativePath: "));
    CHECK(f.store.list().empty());
    write_file(context / "Dockerfile", "# check=skip=all\nFROM drydock/base\nWORKDIR /srv\n");
    CHECK(f.drydock({"build", "--check", context.native()}).status == 0);
    const Outcome ssh = f.drydock({"build", "--ssh", "default", context.native()});
    CHECK(ssh.status == 125);
    CHECK_THAT(ssh.err, ContainsSubstring("not implemented: build --ssh"));
    CHECK_THAT(f.drydock({"build", "--explain=cache", context.native()}).out,
               ContainsSubstring(" ---> Not cached: no build before had such a step\n"));
    const Outcome base = f.drydock({"inspect", "drydock/base"});
    CHECK_THAT(base.out, ContainsSubstring("\"Created\": \"20"));
}
