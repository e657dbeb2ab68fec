#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"

#include "build_fixture.hpp"

using namespace drydock;
using drydock::testing::BuildFixture;
using drydock::testing::ContainsSubstring;
using drydock::testing::write_file;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

/// Whether some file below `directory` holds the text.
bool is_anywhere(const fs::path& directory, const std::string& text) {
    return std::ranges::any_of(fs::recursive_directory_iterator(directory), [&](const auto& entry) {
        return entry.is_regular_file() && !entry.is_symlink() &&
               read_file(entry.path(), std::size_t{64} << 20U).find(text) != std::string::npos;
    });
}

/// What is in the top layer of the image.
std::vector<std::string> top_layer(BuildFixture& f, const Image& image) {
    const fs::path top = layer_directories(f.store, f.store.unpack(image)).front();
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
        names.push_back(entry.path().lexically_relative(top).native());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

TEST_CASE("build_image: a heredoc of RUN is a script, a program with #!, or the shell's own",
          "[05][builder][heredoc]") {
    BuildFixture f;
    const Image image = f.build(
        "FROM drydock/base\nARG A=arg\n"
        "RUN <<EOF\nset -e\nx=1\necho \"$x $A\" > /script\nEOF\n"
        "RUN <<-\"EOF\"\n\t#!/bin/sh -u\n\tbasename \"$0\" > /program\n\tEOF\n"
        "RUN cat <<a >/one && cat <<b >/two\n1\na\n2\nb\n");
    CHECK(f.read(image, "/script") == "1 arg\n");
    CHECK(f.read(image, "/program") == "script\n");
    CHECK(f.read(image, "/one") == "1\n");
    CHECK(f.read(image, "/two") == "2\n");
    CHECK_FALSE(f.view(image).find("/dev/pipes").has_value());
    f.build(
        "FROM drydock/base\nARG A=arg\nRUN <<EOF\nset -e\nx=1\necho \"$x $A\" > /script\nEOF\n");
    CHECK(f.count("Using cache") == 1);
    f.build("FROM drydock/base\nRUN <<EOF\n#!/bin/sh\necho 1\nEOF\n");
    f.build("FROM drydock/base\nRUN <<EOF\n#!/bin/sh\necho 2\nEOF\n");
    CHECK(f.count("Using cache") == 0);
}

TEST_CASE("build_image: heredocs of COPY become files", "[05][builder][heredoc]") {
    BuildFixture f;
    write_file(f.context / "plain", "p");
    const Image image = f.build(
        "FROM drydock/base\nENV A=1\n"
        "COPY <<EOF /etc/one.conf\na=$A \"q\" \\$B\nEOF\n"
        "COPY --chmod=600 --chown=3:4 plain <<x <<'y' /d/\n$A\nx\n$A\ny\n");
    CHECK(f.read(image, "/etc/one.conf") == "a=1 \"q\" $B\n");
    CHECK(f.read(image, "/d/x") == "1\n");
    CHECK(f.read(image, "/d/y") == "$A\n");
    CHECK(f.read(image, "/d/plain") == "p");
    const auto one = f.view(image).find("/etc/one.conf");
    CHECK((one->status.st_mode & 07777) == 0644);
    const auto x = f.view(image).find("/d/x");
    CHECK((x->status.st_mode & 07777) == 0600);
    CHECK(x->status.st_uid == 3);
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY <<../a /x/\nb\n../a\n"),
                      ContainsSubstring("\"../a\" is no name for a file"));
}

TEST_CASE("build_image: HEALTHCHECK and ONBUILD are kept in the image's settings",
          "[05][builder]") {
    BuildFixture f;
    write_file(f.context / "a", "1");
    f.request.tags = {"parent"};
    const Image parent = f.build(
        "FROM drydock/base\nHEALTHCHECK --interval=5s CMD true\n"
        "ONBUILD COPY a /a\nONBUILD RUN <<EOF\ncat /a > /b\nEOF\nONBUILD ENV B=2\n");
    const oci::ExecutionConfig config = f.store.config(parent).config;
    REQUIRE(config.healthcheck);
    CHECK(config.healthcheck->test == Words{"CMD-SHELL", "true"});
    CHECK(config.on_build == Words{"COPY a /a", "RUN <<EOF\ncat /a > /b\nEOF", "ENV B=2"});
    CHECK_FALSE(f.view(parent).find("/a").has_value());

    f.request.tags = {"child"};
    const Image child = f.build("FROM parent\nRUN echo $B > /c\n");
    CHECK_THAT(f.output, ContainsSubstring("# Executing 3 build triggers\n"));
    CHECK(f.read(child, "/b") == "1");
    CHECK(f.read(child, "/c") == "2\n");
    CHECK(f.store.config(child).config.on_build.empty());
    f.build("FROM child\nENV x=1\n");
    CHECK(f.count("Executing") == 0);
}

TEST_CASE("build_image: a trigger may copy from a stage that nothing else needs",
          "[05][builder][stages]") {
    BuildFixture f;
    f.request.tags = {"parent"};
    f.build("FROM drydock/base\nONBUILD COPY --from=out /made /m\n");
    f.request.tags.clear();
    const Image child = f.build("FROM drydock/base AS out\nRUN echo x > /made\nFROM parent\n");
    CHECK(f.read(child, "/m") == "x\n");
    f.request.tags = {"bad"};
    CHECK_THROWS_WITH(f.build("FROM parent\n"),
                      ContainsSubstring("Dockerfile:1: ONBUILD of parent: COPY: "));
}

TEST_CASE("build_image: a bind mount shows what is not ignored, and nothing comes back",
          "[05][builder][mount]") {
    BuildFixture f;
    write_file(f.context / ".dockerignore", "*.secret\n");
    write_file(f.context / "src/a", "1");
    write_file(f.context / "x.secret", "s");
    const std::string dockerfile =
        "FROM drydock/base AS one\nRUN echo made > /made\nFROM drydock/base\nWORKDIR /w\n"
        "RUN --mount=target=/ctx,rw --mount=type=bind,source=src/a,target=file "
        "--mount=from=one,source=/made,target=/in/m "
        "ls /ctx > /list; cat file /in/m >> /list; echo changed > /ctx/src/a; "
        "echo no > /in/m || echo read-only >> /list\n";
    const Image image = f.build(dockerfile);
    CHECK(f.read(image, "/list") == "src\n1made\nread-only\n");
    CHECK(read_file(f.context / "src/a") == "1");
    CHECK(top_layer(f, image) == Words{"list", "w"});
    f.build(dockerfile);
    CHECK(f.count("Using cache") == 3);
    write_file(f.context / "x.secret", "t");
    f.build(dockerfile);
    CHECK(f.count("Using cache") == 3);
    write_file(f.context / "src/a", "2");
    CHECK(f.read(f.build(dockerfile), "/list") == "src\n2made\nread-only\n");
    CHECK(fs::is_empty(f.store.data_root() / "tmp"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nRUN --mount=source=none,target=/x ls\n"),
                      ContainsSubstring("Dockerfile:2: RUN: \"none\": no such file"));
}

TEST_CASE("build_image: a mount's target that a command replaced by a link leads nowhere",
          "[05][builder][mount]") {
    BuildFixture f;
    const fs::path canary = f.directory.path() / "canary";
    fs::create_directories(canary / "x");
    write_file(canary / "file", "");
    const Image image = f.build(
        "FROM drydock/base\nRUN --mount=type=tmpfs,target=/a/x --mount=type=tmpfs,target=/b/y "
        "umount /a/x; true; mkdir -p /keep; echo 1 > /keep/f; rmdir /a/x /a; ln -s " +
        canary.native() + " /a; ln -s " + canary.native() + " /keep/link\n");
    CHECK(fs::exists(canary / "x"));
    CHECK(fs::exists(canary / "file"));
    CHECK(f.view(image).find("/keep/f").has_value());
    CHECK_FALSE(f.view(image).find_nofollow("/b").has_value());
}

TEST_CASE("build_image: a cache outlives its RUN and is in no layer", "[05][builder][mount]") {
    BuildFixture f;
    f.request.no_cache = true;
    const auto dockerfile = [](const std::string& options) {
        return "FROM drydock/base\nRUN --mount=type=cache,target=/var/c" + options +
               " echo x >> /var/c/n; wc -l < /var/c/n > /n\n";
    };
    CHECK(f.read(f.build(dockerfile("")), "/n") == "1\n");
    const Image second = f.build(dockerfile(""));
    CHECK(f.read(second, "/n") == "2\n");
    CHECK_FALSE(f.view(second).find("/var/c").has_value());
    CHECK(f.read(f.build(dockerfile(",id=../../x")), "/n") == "1\n");
    CHECK(f.read(f.build(dockerfile(",sharing=locked")), "/n") == "3\n");
    CHECK(f.read(f.build(dockerfile(",sharing=private")), "/n") == "4\n");
    const Image owned = f.build(
        "FROM drydock/base\nRUN --mount=type=cache,id=o,target=/o,uid=7,gid=8,mode=0750 "
        "stat -c '%u %g %a' /o > /n; mount | grep ' /o ' | grep -o nosuid >> /n\n");
    CHECK(f.read(owned, "/n") == "7 8 750\nnosuid\n");
    CHECK_FALSE(fs::exists(f.directory.path() / "x"));
}

TEST_CASE("build_image: a secret is there for its RUN and nowhere else", "[05][builder][mount]") {
    BuildFixture f;
    const std::string secret = "s3cr3t-cafebabe";
    f.request.secrets = {{"token", secret}};
    const std::string line =
        "RUN --mount=type=secret,id=token "
        "--mount=type=secret,id=token,target=/root/t,uid=5,mode=0440 "
        "wc -c < /run/secrets/token > /n; stat -c '%u %a' /run/secrets/token /root/t >> /n; "
        "mount | grep /run/secrets/token | cut -d' ' -f5 >> /n; test ! -e /run/secrets/other\n";
    const Image image = f.build("FROM drydock/base\n" + line);
    CHECK(f.read(image, "/n") == "15\n0 400\n5 440\ntmpfs\n");
    CHECK_FALSE(is_anywhere(f.directory.path(), secret));
    CHECK(f.output.find(secret) == std::string::npos);
    CHECK_FALSE(f.view(image).find("/run/secrets").has_value());
    CHECK_FALSE(f.view(image).find("/root/t").has_value());
    for (const auto& entry : fs::directory_iterator("/run")) {
        CHECK_FALSE(entry.path().filename().native().starts_with("drydock-secret-"));
    }
    f.request.secrets = {{"token", "another"}};
    f.build("FROM drydock/base\n" + line);
    CHECK(f.count("Using cache") == 1);
    f.build("FROM drydock/base\nRUN --mount=type=secret,id=none test ! -e /run/secrets/none\n");
    CHECK_THROWS_WITH(
        f.build("FROM drydock/base\nRUN --mount=type=secret,id=none,required ls\n"),
        ContainsSubstring("Dockerfile:2: RUN: --mount: secret none: not given; expected --secret "
                          "id=none,src=FILE"));
}

TEST_CASE("build_image: COPY with --parents, --exclude and a symbolic --chmod",
          "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "a/b/x.txt", "x");
    write_file(f.context / "a/b/y.md", "y");
    write_file(f.context / "a/c/deep/z.txt", "z");
    const LayerView view =
        f.view(f.build("FROM drydock/base\n"
                       "COPY --parents a/b/x.txt a/c /p/\n"
                       "COPY --parents a/./b/x.txt /pivot/\n"
                       "COPY --parents a/**/*.txt /glob/\n"
                       "COPY --exclude=*.md --exclude=**/deep a /e\n"
                       "COPY --exclude=*.md a/b/* /f/\n"
                       "COPY --link --chmod=u=rwX,go=rX a /m\n"));
    CHECK(view.find("/p/a/b/x.txt").has_value());
    CHECK(view.find("/p/a/c/deep/z.txt").has_value());
    CHECK(view.find("/pivot/b/x.txt").has_value());
    CHECK_FALSE(view.find("/pivot/a").has_value());
    CHECK(view.find("/glob/a/b/x.txt").has_value());
    CHECK(view.find("/glob/a/c/deep/z.txt").has_value());
    CHECK_FALSE(view.find("/glob/a/b/y.md").has_value());
    CHECK(view.find("/e/b/y.md").has_value());  // *.md is only for what is directly below
    CHECK_FALSE(view.find("/e/c/deep").has_value());
    CHECK(view.find("/f/x.txt").has_value());
    CHECK_FALSE(view.find("/f/y.md").has_value());
    CHECK((view.find("/m/b/x.txt")->status.st_mode & 07777) == 0644);
    CHECK((view.find("/m/b")->status.st_mode & 07777) == 0755);
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nCOPY --chmod=u+q a /x\n"),
                      ContainsSubstring("--chmod=u+q: expected an octal mode"));
}

TEST_CASE("build_image: ADD of a URL is checked against --checksum", "[05][builder][copy]") {
    BuildFixture f;
    std::string served = "hello";
    f.request.fetch_url = [&](const std::string& url, int fd) {
        CHECK(url == "https://example.org/d/file.bin?x=1");
        write_all(fd, served, "test");
        return FetchedUrl{.last_modified = 86400};
    };
    const std::string url = "https://example.org/d/file.bin?x=1";
    const Image image = f.build("FROM drydock/base\nADD " + url + " /d/\nADD " + url + " /named\n");
    const auto found = f.view(image).find("/d/file.bin");
    REQUIRE(found);
    CHECK((found->status.st_mode & 07777) == 0600);
    CHECK(found->status.st_mtim.tv_sec == 86400);
    CHECK(f.read(image, "/named") == "hello");
    f.build("FROM drydock/base\nADD " + url + " /d/\n");
    CHECK(f.count("Using cache") == 1);
    const std::string right = digest_of("hello").text();
    f.build("FROM drydock/base\nADD --checksum=" + right + " " + url + " /d/\n");
    served = "changed";
    f.build("FROM drydock/base\nADD " + url + " /d/\n");
    CHECK(f.count("Using cache") == 0);
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nADD --checksum=" + right + " " + url + " /d/\n"),
                      ContainsSubstring("Dockerfile:2: ADD: " + url + ": has the digest sha256:"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nADD --checksum=md5:x " + url + " /d/\n"),
                      ContainsSubstring("expected sha256: and 64 hex digits"));
    CHECK_THROWS_WITH(f.build("FROM drydock/base\nADD https://example.org/ /d/\n"),
                      ContainsSubstring("cannot tell the file's name"));
    CHECK_THROWS_AS(f.build("FROM drydock/base\nADD https://h/r.git#main /d/\n"), NotImplemented);
}

TEST_CASE("build_image: SOURCE_DATE_EPOCH makes the same digests in two stores",
          "[05][builder][reproducible]") {
    const auto built = [](std::int64_t epoch) {
        BuildFixture f;
        write_file(f.context / "a", "1");
        f.request.source_date_epoch = epoch;
        const Image image = f.build(
            "FROM scratch AS s\nFROM drydock/base\nCOPY a /a\nRUN mkdir /r && echo x > /r/y\n"
            "COPY <<EOF /h\nx\nEOF\nWORKDIR /w\n");
        CHECK_THAT(f.store.config(image).created, ContainsSubstring("2023-11-14T22:13:2"));
        return image.id.text();
    };
    const std::string first = built(1700000000);
    CHECK(built(1700000000) == first);
    CHECK(built(1700000001) != first);
}

TEST_CASE("build_image: COPY keeps a file's capabilities and its user's attributes",
          "[05][builder][copy]") {
    BuildFixture f;
    write_file(f.context / "p", "x");
    const std::string path = (f.context / "p").native();
    REQUIRE(::setxattr(path.c_str(), "user.note", "n1", 2, 0) == 0);
    // Version 2, effective, CAP_NET_RAW: linux/capability.h, struct vfs_cap_data.
    const std::string capability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    REQUIRE(::setxattr(path.c_str(), "security.capability", capability.data(), capability.size(),
                       0) == 0);
    const std::string dockerfile = "FROM drydock/base\nCOPY --chown=3:4 p /p\n";
    const Image image = f.build(dockerfile);
    const LayerView view = f.view(image);
    const UniqueFd fd = view.open(*view.find("/p"), O_RDONLY);
    std::string value(64, '\0');
    CHECK(::fgetxattr(fd.get(), "user.note", value.data(), value.size()) == 2);
    CHECK(::fgetxattr(fd.get(), "security.capability", value.data(), value.size()) == 20);
    REQUIRE(::setxattr(path.c_str(), "user.note", "n2", 2, 0) == 0);
    CHECK(f.build(dockerfile).id != image.id);
}
