#include "05-images/builder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/layer_view.hpp"
#include "05-images/runtime_config.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "build_fixture.hpp"

using namespace drydock;
using drydock::testing::BuildFixture;
using drydock::testing::ContainsSubstring;
using drydock::testing::write_file;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

TEST_CASE("build_image: a small service, in docker's words", "[05][builder]") {
    BuildFixture f;
    write_file(f.context / "www/index.html", "hello");
    f.request.tags = {"demo/web"};
    const Image image = f.build(
        "FROM drydock/base\nWORKDIR /srv/app\nENV PORT=8080 DIR=/www\nCOPY www $DIR/\nRUN echo "
        "built > out && id -u >> out && pwd >> out\n"
        "EXPOSE ${PORT}\nLABEL a=b\nUSER www-data\nCMD [\"httpd\", \"-f\"]\n");
    INFO(f.output);
    CHECK(f.read(image, "/www/index.html") == "hello");
    CHECK(f.read(image, "/srv/app/out") == "built\n0\n/srv/app\n");
    const oci::ExecutionConfig config = f.store.config(image).config;
    CHECK(config.working_dir == "/srv/app");
    CHECK(config.exposed_ports == std::set<std::string>{"8080/tcp"});
    CHECK(config.user == "www-data");
    CHECK(config.cmd == Words{"httpd", "-f"});
    CHECK(f.store.get("demo/web").id == image.id);
    CHECK_THAT(f.output, ContainsSubstring("Step 1/9 : FROM drydock/base\n ---> "));
    CHECK_THAT(f.output, ContainsSubstring("Step 5/9 : RUN echo built"));
    CHECK_THAT(f.output, ContainsSubstring(" ---> Running in "));
    CHECK_THAT(f.output, ContainsSubstring("Removing intermediate container "));
    CHECK_THAT(f.output, ContainsSubstring("aux " + image.id.text() + "\nSuccessfully built " +
                                           std::string(image.id.hex().substr(0, 12)) + "\n"));
    CHECK_THAT(f.output, ContainsSubstring("Successfully tagged demo/web:latest\n"));
    CHECK(f.store.snapshots().list_active().empty());
}

TEST_CASE(
    "build_image: a second build takes every step over, touch changes nothing, chmod and edits do",
    "[05][builder][cache]") {
    BuildFixture f;
    write_file(f.context / "a", "1");
    const std::string dockerfile =
        "FROM drydock/base\nENV X=1\nCOPY a /a\nRUN cat /a > /b\nCMD [\"sh\"]\n";
    const Image first = f.build(dockerfile);
    CHECK(f.count("Using cache") == 0);

    CHECK(f.build(dockerfile).id == first.id);
    CHECK(f.count("Using cache") == 4);

    fs::last_write_time(f.context / "a", fs::file_time_type::clock::now() - std::chrono::hours(1));
    CHECK(f.build(dockerfile).id == first.id);
    CHECK(f.count("Using cache") == 4);

    fs::permissions(f.context / "a", fs::perms::owner_all);
    CHECK(f.build(dockerfile).id != first.id);
    CHECK(f.count("Using cache") == 1);

    write_file(f.context / "a", "2");
    const Image edited = f.build(dockerfile);
    CHECK(f.count("Using cache") == 1);
    CHECK(f.read(edited, "/b") == "2");

    f.request.no_cache = true;
    f.build(dockerfile);
    CHECK(f.count("Using cache") == 0);
}

TEST_CASE("build_image: a build-arg is part of the cache key of what runs with it",
          "[05][builder][cache]") {
    BuildFixture f;
    const std::string dockerfile = "FROM drydock/base\nARG V=1\nRUN echo $V > /v\n";
    CHECK(f.read(f.build(dockerfile), "/v") == "1\n");
    f.request.build_args["V"] = "2";
    CHECK(f.read(f.build(dockerfile), "/v") == "2\n");
    CHECK(f.count("Using cache") == 0);
    const Image again = f.build(dockerfile);
    CHECK(f.count("Using cache") == 1);
    for (const std::string& variable : f.store.config(again).config.env) {
        CHECK_FALSE(variable.starts_with("V="));
    }
    f.request.build_args["UNUSED"] = "x";
    f.build(dockerfile);
    CHECK_THAT(f.output,
               ContainsSubstring("[Warning] One or more build-args [UNUSED] were not consumed"));
}

TEST_CASE("build_image: an image made to look like a cached step is not taken for one",
          "[05][builder][cache]") {
    BuildFixture f;
    const Image base = ensure_base_image(f.store);
    // What a registry could send: the history, parents and settings of the step, and other files.
    oci::ImageConfig config = f.store.config(base);
    config.history.push_back({.created = "2026-01-01T00:00:00Z",
                              .created_by = "/bin/sh -c #(nop) ENV X=1",
                              .empty_layer = true});
    config.config.env.emplace_back("X=1");
    config.config.labels["poisoned"] = "yes";
    f.store.put_image(config, f.store.manifest(base).layers, parse_reference("evil"));
    const Image built = f.build("FROM drydock/base\nENV X=1\nRUN true\n");
    CHECK(f.count("Using cache") == 0);
    CHECK(f.store.config(built).config.labels.empty());
}

TEST_CASE("build_image: a failing RUN says so in docker's words and leaves nothing of itself",
          "[05][builder]") {
    BuildFixture f;
    ensure_base_image(f.store);
    f.store.unpack(f.store.get("drydock/base"));
    const std::string before = f.state();
    try {
        f.build("FROM drydock/base\nRUN echo out; echo err >&2; exit 7\n");
        FAIL("it was built");
    } catch (const SetupError& e) {
        CHECK(
            std::string(e.what()) ==
            "The command '/bin/sh -c echo out; echo err >&2; exit 7' returned a non-zero code: 7");
        CHECK(e.exit_status() == 7);
    }
    CHECK_THAT(f.output, ContainsSubstring("out\n") && ContainsSubstring("err\n"));
    CHECK(f.state() == before);
}

TEST_CASE("build_image: a cancelled build kills the step that runs and leaves nothing",
          "[05][builder]") {
    BuildFixture f;
    ensure_base_image(f.store);
    f.store.unpack(f.store.get("drydock/base"));
    const std::string before = f.state();
    bool running = false;
    f.request.cancelled = [&] { return running; };
    f.request.dockerfile_text = "FROM drydock/base\nRUN echo started; sleep 1000\n";
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THROWS_WITH(build_image(f.store, f.request,
                                  [&](const BuildEvent& event) {
                                      running = running || event.text.starts_with("started");
                                  }),
                      "build cancelled");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
    CHECK(f.state() == before);
}

TEST_CASE("build_image: RUN is as isolated as a container", "[05][builder]") {
    BuildFixture f;
    const Image image = f.build(
        "FROM drydock/base\n"
        "RUN for n in pid net mnt ipc uts; do readlink /proc/self/ns/$n; done > /ns\n"
        "RUN grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status > /status\n");
    const std::string ns = f.read(image, "/ns");
    for (const char* name : {"pid", "net", "mnt", "ipc", "uts"}) {
        INFO(name);
        const std::string own = fs::read_symlink(std::string("/proc/self/ns/") + name).native();
        CHECK(ns.find(own) == std::string::npos);
    }
    CHECK_THAT(f.read(image, "/status"),
               ContainsSubstring("CapBnd:\t00000000a80425fb") && ContainsSubstring("Seccomp:\t2"));
}

TEST_CASE("build_image: links out of the context lead nowhere", "[05][builder][context]") {
    BuildFixture f;
    fs::create_symlink("/etc/shadow", f.context / "absolute");
    fs::create_symlink("../../../../../../../../etc/shadow", f.context / "relative");
    fs::create_directory_symlink("/etc", f.context / "directory");
    fs::create_directories(f.context / "d");
    fs::create_symlink("/etc/shadow", f.context / "d/link");
    for (const char* source :
         {"absolute", "relative", "directory/shadow", "../../../../etc/shadow", "/etc/shadow"}) {
        INFO(source);
        CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY " + std::string(source) + " /x\n"),
                          ContainsSubstring("Dockerfile:2: COPY: ") &&
                              ContainsSubstring("no such file or directory in the build context"));
    }
    const Image image = f.build("FROM drydock/base\nCOPY d /d/\n");
    const LayerView view = f.view(image);
    CHECK(view.read_link(*view.find_nofollow("/d/link")) == "/etc/shadow");
}

TEST_CASE("build_image: what .dockerignore names is not in the context", "[05][builder][context]") {
    BuildFixture f;
    write_file(f.context / ".dockerignore", "*.secret\nd\n!d/keep\n");
    write_file(f.context / "a.secret", "x");
    write_file(f.context / "b", "x");
    write_file(f.context / "d/keep", "x");
    write_file(f.context / "d/drop", "x");
    const LayerView view = f.view(f.build("FROM drydock/base\nCOPY . /c/\n"));
    CHECK(view.find("/c/b").has_value());
    CHECK(view.find("/c/d/keep").has_value());
    CHECK_FALSE(view.find("/c/d/drop").has_value());
    CHECK_FALSE(view.find("/c/a.secret").has_value());
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY a.secret /\n"),
                      ContainsSubstring("no such file or directory"));
    write_file(f.context / "Dockerfile.dockerignore", "b\n");
    CHECK_FALSE(f.view(f.build("FROM drydock/base\nCOPY . /c/\n")).find("/c/b").has_value());
}

TEST_CASE("build_image: where COPY puts files, and whose they are", "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "a.txt", "a");
    write_file(f.context / "b.txt", "b");
    write_file(f.context / "d/e/f", "f");
    fs::permissions(f.context / "a.txt", fs::perms(0640));
    REQUIRE(::chown((f.context / "a.txt").c_str(), 77, 77) == 0);
    const Image image = f.build(
        "FROM drydock/base\nWORKDIR /w\n"
        "COPY a.txt file\nCOPY a.txt dir/\nCOPY *.txt many/\nCOPY d /dest\nCOPY --chown=www-data:5 "
        "--chmod=750 a.txt /owned\n"
        "COPY a.txt /usr/bin/\nCOPY [\"a.txt\", \"/with space\"]\nCOPY . .\n");
    const LayerView view = f.view(image);
    CHECK(view.read_file("/w/file", 10) == "a");
    CHECK(view.read_file("/w/dir/a.txt", 10) == "a");
    CHECK(view.read_file("/w/many/b.txt", 10) == "b");
    CHECK(view.read_file("/dest/e/f", 10) == "f");
    CHECK(view.read_file("/w/d/e/f", 10) == "f");
    CHECK(view.read_file("/with space", 10) == "a");
    CHECK(view.find("/usr/bin/a.txt")->path == "/bin/a.txt");  // through the image's own link
    CHECK(view.find("/bin/busybox").has_value());
    const auto plain = view.find("/w/file");
    CHECK(plain->status.st_uid == 0);
    CHECK((plain->status.st_mode & 07777) == 0640);
    const auto owned = view.find("/owned");
    CHECK(owned->status.st_uid == 33);
    CHECK(owned->status.st_gid == 5);
    CHECK((owned->status.st_mode & 07777) == 0750);
    CHECK((view.find("/tmp")->status.st_mode & 07777) == 01777);
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY a.txt b.txt /x\n"),
                      ContainsSubstring("must be a directory and end with /"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY --chown=nosuch a.txt /x\n"),
                      ContainsSubstring("unable to find user nosuch"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY --chmod=9 a.txt /x\n"),
                      ContainsSubstring("expected an octal mode"));
}

TEST_CASE("build_image: directories above what is copied stay as the image has them",
          "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "x", "x");
    const LayerView view = f.view(f.build("FROM drydock/base\nCOPY x /root/x\nCOPY x /tmp/x\n"));
    CHECK((view.find("/root")->status.st_mode & 07777) == 0700);
    CHECK((view.find("/tmp")->status.st_mode & 07777) == 01777);
}

TEST_CASE("build_image: the later source wins, times stay, links belong to root",
          "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "one/same", "1");
    write_file(f.context / "two/same", "2");
    fs::create_symlink("same", f.context / "two/link");
    REQUIRE(::lchown((f.context / "two/link").c_str(), 77, 77) == 0);
    const timespec times[2] = {{.tv_sec = 86400, .tv_nsec = 0}, {.tv_sec = 86400, .tv_nsec = 0}};
    REQUIRE(::utimensat(AT_FDCWD, (f.context / "two/same").c_str(), times, 0) == 0);
    const LayerView view = f.view(
        f.build("FROM drydock/base\nCOPY one/same two/same two /x/\nCOPY one/same /etc/passwd\n"));
    CHECK(view.read_file("/x/same", 10) == "2");
    CHECK(view.find("/x/same")->status.st_mtim.tv_sec == 86400);
    CHECK(view.find_nofollow("/x/link")->status.st_uid == 0);
    CHECK(view.read_file("/etc/passwd", 100) == "1");
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY one/same /etc/passwd/x\n"),
                      ContainsSubstring("/etc/passwd: is there and is no directory"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY one /etc/passwd\n"),
                      ContainsSubstring("is no directory"));
}

TEST_CASE("build_image: ADD unpacks a local archive, COPY does not", "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "tree/x/y", "y");
    REQUIRE(testing::run_program({"tar", "-C", (f.context / "tree").native(), "-czf",
                                  (f.context / "t.tgz").native(), "."})
                .status == 0);
    const LayerView view =
        f.view(f.build("FROM drydock/base\nADD t.tgz /add/\nCOPY t.tgz /copy/\n"));
    CHECK(view.read_file("/add/x/y", 10) == "y");
    CHECK(view.find("/copy/t.tgz").has_value());
    CHECK_THROWS_AS(f.build("FROM drydock/base\nADD http://127.0.0.1/x /x\n"), NotImplemented);
    REQUIRE(testing::run_program({"tar", "-C", (f.context / "tree").native(), "-cJf",
                                  (f.context / "t.tar.xz").native(), "."})
                .status == 0);
    CHECK(f.read(f.build("FROM drydock/base\nADD t.tar.xz /add/\n"), "/add/x/y") == "y");
}

TEST_CASE("build_image: stages that are needed are built, and files come from them",
          "[05][builder][stages]") {
    BuildFixture f;
    const std::string dockerfile =
        "ARG BASE=drydock/base\nFROM $BASE AS one\nRUN echo made > /made\n"
        "FROM one AS unused\nRUN exit 1\n"
        "FROM scratch AS last\nCOPY --from=one /made /m\nCOPY --from=0 /etc/passwd "
        "/etc/passwd\nCOPY --from=drydock/base /bin/busybox /b\n";
    const Image image = f.build(dockerfile);
    CHECK(f.read(image, "/m") == "made\n");
    CHECK_FALSE(f.view(image).find("/bin").has_value());
    CHECK(f.view(image).find("/b").has_value());
    CHECK_THAT(f.output, !ContainsSubstring("AS unused"));
    CHECK_THAT(f.output, ContainsSubstring("Step 7/7 : "));
    f.request.target = "one";
    CHECK(f.read(f.build(dockerfile), "/made") == "made\n");
    f.request.target = "none";
    CHECK_THROWS_WITH(f.build(dockerfile), ContainsSubstring("target stage \"none\""));
}

TEST_CASE("build_image: settings of an image, as docker sets them", "[05][builder]") {
    BuildFixture f;
    const Image parent = f.build(
        "FROM drydock/base\nCMD echo hi\nENV A=1\nENV A=2 B=$A\nSHELL [\"/bin/ash\", "
        "\"-c\"]\nVOLUME /v\nSTOPSIGNAL SIGINT\nMAINTAINER me\n");
    oci::ImageConfig config = f.store.config(parent);
    CHECK(config.config.cmd == Words{"/bin/sh", "-c", "echo hi"});
    CHECK(config.config.env.at(1) == "A=2");
    CHECK(config.config.env.at(2) == "B=1");
    CHECK(config.config.volumes.contains("/v"));
    CHECK(config.config.stop_signal == "SIGINT");
    CHECK(config.author == "me");
    f.store.tag(parent, parse_reference("parent"));
    config = f.store.config(f.build("FROM parent\nENTRYPOINT exec x\n"));
    CHECK(config.config.entrypoint == Words{"/bin/ash", "-c", "exec x"});
    CHECK_FALSE(config.config.cmd.has_value());
    config = f.store.config(f.build("FROM parent\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\n"));
    CHECK(config.config.cmd == Words{"a"});
    CHECK_THROWS_WITH(f.build("FROM parent\nEXPOSE x\n"),
                      ContainsSubstring("Dockerfile:2: EXPOSE: \"x\": expected port"));
    CHECK_THROWS_WITH(f.build("FROM parent\nSTOPSIGNAL SIGFOO\n"),
                      ContainsSubstring("expected a signal"));
}

TEST_CASE("build_image: FROM alone is that image", "[05][builder]") {
    BuildFixture f;
    f.request.tags = {"same"};
    CHECK(f.build("FROM drydock/base\n").id == ensure_base_image(f.store).id);
    CHECK(f.store.get("same").id == f.store.get("drydock/base").id);
    f.request.labels = {{"a b", "c'd\"e$f\\"}};
    CHECK(f.store.config(f.build("FROM drydock/base\n")).config.labels.at("a b") == "c'd\"e$f\\");
}

TEST_CASE("build_image: the context may come as a tar stream, compressed or not",
          "[05][builder][context]") {
    BuildFixture f;
    write_file(f.context / "Dockerfile", "FROM drydock/base\nCOPY a /a\n");
    write_file(f.context / "a", "from tar");
    const std::string tar = (f.directory.path() / "c.tar.gz").native();
    REQUIRE(testing::run_program({"tar", "-C", f.context.native(), "-czf", tar, "."}).status == 0);
    const UniqueFd fd = open_file(tar, O_RDONLY);
    const Image image = build_image(f.store, {.context_tar = fd.get()}, [](const BuildEvent&) {});
    CHECK(f.read(image, "/a") == "from tar");
    CHECK(fs::is_empty(f.store.data_root() / "tmp"));
}

TEST_CASE("build_image: what is wrong is named before anything runs", "[05][builder]") {
    BuildFixture f;
    CHECK_THROWS_WITH(f.build("FROM nosuch\n"),
                      ContainsSubstring("Dockerfile:1: FROM: No such image: nosuch:latest"));
    CHECK_THROWS_WITH(f.build("FROM ${X}\n"),
                      ContainsSubstring("Dockerfile:1: FROM: \"${X}\" is empty"));
    CHECK_THROWS_WITH(
        f.build("FROM drydock/base\nRNU x\n"),
        ContainsSubstring("Dockerfile:2: unknown instruction \"RNU\"; did you mean RUN?"));
    f.request.tags = {"Bad"};
    CHECK_THROWS_WITH(f.build("FROM drydock/base\n"), ContainsSubstring("must be lowercase"));
    f.request.tags.clear();
    f.request.dockerfile_text.reset();
    CHECK_THROWS_WITH(build_image(f.store, f.request, [](const BuildEvent&) {}),
                      ContainsSubstring("Cannot locate specified Dockerfile: Dockerfile"));
    f.request.context = f.directory.path() / "nowhere";
    CHECK_THROWS_WITH(build_image(f.store, f.request, [](const BuildEvent&) {}),
                      ContainsSubstring("expected a directory"));
}

TEST_CASE("build_image: --explain=cache says what of a step's key is another",
          "[05][builder][cache][explain]") {
    BuildFixture f;
    f.request.explain_cache = true;
    write_file(f.context / "a", "1");
    const auto why = [&](const std::string& dockerfile) {
        f.build("FROM drydock/base\n" + dockerfile);
        std::string reasons;
        for (std::size_t at = f.output.find("Not cached: "); at != std::string::npos;
             at = f.output.find("Not cached: ", at + 1)) {
            reasons += f.output.substr(at + 12, f.output.find('\n', at) - at - 11);
        }
        return reasons;
    };
    const std::string dockerfile = "ENV A=1\nCOPY a /a\nRUN test -e /a\n";
    const std::string never = "no build before had such a step\n";
    CHECK(why(dockerfile) == never + never + never);
    CHECK(why(dockerfile) == "");
    write_file(f.context / "a", "2");
    CHECK(why(dockerfile) == "the files it reads are others\nwhat it stands on is another\n");
    CHECK(why("ENV A=1\nCOPY a /b\n") == "its destination was \"/a\"\n");
    CHECK(why("ENV A=1\nCOPY a /a\nRUN test -f /a\n") ==
          "its command was [\"/bin/sh\",\"-c\",\"test -e /a\"]\n");
    CHECK_THAT(why("ENV A=2\n"), ContainsSubstring("it was \"ENV "));
    f.request.source_date_epoch = 1700000000;
    CHECK(why("ENV A=1\n") == "SOURCE_DATE_EPOCH was not set\n");
    f.request.no_cache = true;
    CHECK(why("ENV A=1\n") == "--no-cache was given\n");
}

TEST_CASE("build_image: stages are built at the same time, and heard in the order of the file",
          "[05][builder][parallel]") {
    BuildFixture f;
    // Each waits, a minute at most, for what the other one does in their common cache.
    const std::string meet =
        "RUN --mount=type=cache,id=meet,target=/c i=0; touch /c/$ME; until [ -e /c/$OTHER ]; do "
        "i=$((i+1)); [ $i -lt 600 ] || exit 9; sleep 0.1; done; echo $ME >/who\n";
    const Image image = f.build("FROM drydock/base AS a\nARG ME=a\nARG OTHER=b\n" + meet +
                                "FROM drydock/base AS b\nARG ME=b\nARG OTHER=a\n" + meet +
                                "FROM drydock/base\nCOPY --from=a /who /a\n"
                                "COPY --from=b /who /b\n");
    CHECK(f.read(image, "/a") + f.read(image, "/b") == "a\nb\n");
    std::size_t last = 0;
    for (int step = 1; step <= 11; ++step) {
        const std::size_t at = f.output.find("Step " + std::to_string(step) + "/11 : ");
        CHECK(at != std::string::npos);
        CHECK(at >= last);
        last = at;
    }
    CHECK(f.store.snapshots().list_active().empty());
}

TEST_CASE("build_image: a stage that fails ends the others, and its own error is told",
          "[05][builder][parallel]") {
    BuildFixture f;
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THROWS_WITH(
        f.build("FROM drydock/base AS a\nRUN --mount=type=cache,id=go,target=/c touch /c/up; sleep "
                "1000; touch /late\n"
                "FROM drydock/base AS b\nRUN --mount=type=cache,id=go,target=/c until [ -e /c/up "
                "]; do sleep 0.1; done; exit 7\n"
                "FROM drydock/base\nCOPY --from=a /late /\nCOPY --from=b /etc/passwd /\n"),
        ContainsSubstring("exit 7' returned a non-zero code: 7"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::minutes(2));
    CHECK(f.store.snapshots().list_active().empty());
    CHECK(fs::is_empty(f.store.data_root() / "tmp"));
}

TEST_CASE("build_image: the same step of two stages is done once", "[05][builder][parallel]") {
    BuildFixture f;
    const std::string count =
        "RUN --mount=type=cache,id=count,target=/c echo x >>/c/n; sleep 0.3; "
        "cp /c/n /n\n";
    const Image image =
        f.build("FROM drydock/base AS a\n" + count + "FROM drydock/base AS b\n" + count +
                "RUN echo b\nFROM drydock/base\nCOPY --from=a /n /a\nCOPY --from=b /n /b\n");
    CHECK(f.read(image, "/a") + f.read(image, "/b") == "x\nx\n");
    CHECK(f.count(" ---> Using cache\n") == 1);
}
