#include "05-images/dockerfile.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::parse_dockerfile;
using drydock::Verb;
using drydock::testing::ContainsSubstring;
using Words = std::vector<std::string>;

namespace {

/// The instruction behind "FROM x".
drydock::Instruction parsed(const std::string& line) {
    return parse_dockerfile("FROM x\n" + line + "\n", "Dockerfile").stages.at(0).instructions.at(0);
}

}  // namespace

TEST_CASE("parse_dockerfile: stages, their names and their instructions", "[05][dockerfile]") {
    const auto file = parse_dockerfile(
        "# syntax=docker/dockerfile:1\n"
        "ARG V=1 W\n"
        "from debian:$V as Build\n"
        "RUN make\n"
        "\n"
        "FROM --platform=linux/amd64 scratch\n"
        "COPY --from=build /out /\n",
        "Dockerfile");
    REQUIRE(file.stages.size() == 2);
    CHECK(file.global_args.at(0).pairs.size() == 2);
    CHECK(file.stages[0].base == "debian:$V");
    CHECK(file.stages[0].name == "build");
    CHECK(file.stages[0].line == 3);
    CHECK(file.stages[0].instructions.at(0).line == 4);
    CHECK(file.stages[1].platform == "linux/amd64");
    CHECK(file.stages[1].instructions.at(0).flags.at("from") == "build");
}

TEST_CASE("parse_dockerfile: forms of commands", "[05][dockerfile]") {
    CHECK(parsed("RUN echo  hi").words == Words{"echo  hi"});
    CHECK_FALSE(parsed("RUN echo hi").exec_form);
    CHECK(parsed("RUN [\"echo\", \"hi\"]").words == Words{"echo", "hi"});
    CHECK(parsed("RUN [\"echo\", \"hi\"]").exec_form);
    CHECK_FALSE(parsed("RUN ['echo']").exec_form);
    CHECK_FALSE(parsed("RUN [ -f /x ] || true").exec_form);
    CHECK(parsed("run echo").text == "RUN echo");
    CHECK(parsed("CMD []").exec_form);
    CHECK(parsed("RUN --network=none ls").flags.at("network") == "none");
    CHECK(parsed("COPY a b /c/").words == Words{"a", "b", "/c/"});
    CHECK(parsed("COPY [\"a b\", \"/c\"]").words == Words{"a b", "/c"});
    CHECK(parsed("ENV a=1 b=\"x y\"").pairs.size() == 2);
    CHECK(parsed("ENV a 1  2").pairs.at(0).second == "1  2");
    CHECK(parsed("ARG x").pairs.at(0).second == std::nullopt);
    CHECK(parsed("ARG x=").pairs.at(0).second == "");
    CHECK(parsed("VOLUME [\"/a\", \"/b\"]").words == Words{"/a", "/b"});
    CHECK(parsed("EXPOSE 80 443/tcp").words == Words{"80", "443/tcp"});
}

TEST_CASE("parse_dockerfile: lines are continued, comments between them are not text",
          "[05][dockerfile]") {
    CHECK(parsed("RUN a \\\n  # comment\n\n  && b").words == Words{"a   && b"});
    CHECK(parsed("RUN a \\  \n b").words == Words{"a  b"});
    CHECK(parsed("RUN echo a\\\\").words == Words{"echo a\\\\"});
    CHECK(parsed("RUN echo # no comment").words == Words{"echo # no comment"});
    const auto file = parse_dockerfile("# escape=`\nFROM x\nRUN a `\n b \\\nRUN c\n", "Dockerfile");
    CHECK(file.stages[0].instructions.at(0).words == Words{"a  b \\"});
    CHECK(file.stages[0].instructions.at(1).line == 5);
    CHECK(parse_dockerfile("\xEF\xBB\xBF"
                           "FROM x\r\nRUN a\r\n",
                           "f")
              .stages[0]
              .instructions.at(0)
              .words == Words{"a"});
    CHECK(parsed("RUN cat <<<word; echo $((1<<2))").words == Words{"cat <<<word; echo $((1<<2))"});
}

TEST_CASE("parse_dockerfile: an error names file, line, instruction and what would be right",
          "[05][dockerfile]") {
    const auto [text, error] = GENERATE(table<std::string, std::string>({
        {"", "f: no FROM"},
        {"# nothing\n", "f: no FROM"},
        {"RUN x\n", "f:1: RUN: no build stage yet"},
        {"FROM x\n\nRNU x\n", "f:3: unknown instruction \"RNU\"; did you mean RUN?"},
        {"FROM x\nENTRYPIONT x\n",
         "f:2: unknown instruction \"ENTRYPIONT\"; did you mean ENTRYPOINT?"},
        {"FROM x\nFROBNICATE x\n", "f:2: unknown instruction \"FROBNICATE\""},
        {"FORM x\n", "f:1: unknown instruction \"FORM\"; did you mean FROM?"},
        {"FROM\n", "f:1: FROM: expected FROM image"},
        {"FROM a b\n", "f:1: FROM: expected FROM image"},
        {"FROM a AS 1b\n", "\"1b\" is no name for a stage"},
        {"FROM a AS b\nFROM a AS B\n", "f:2: FROM: there is a stage \"b\" already"},
        {"FROM --platfrom=x a\n", "unknown flag \"--platfrom\"; did you mean --platform?"},
        {"FROM x\nCOPY --form=a b c\n", "f:2: COPY: unknown flag \"--form\"; did you mean --from?"},
        {"FROM x\nCOPY a\n", "f:2: COPY: expected at least one source and a destination"},
        {"FROM x\nRUN\n", "f:2: RUN: expected at least one argument"},
        {"FROM x\nRUN []\n", "f:2: RUN: expected a command"},
        {"FROM x\nRUN --network=all ls\n", "--network=all: expected default, none or host"},
        {"FROM x\nENV a\n", "f:2: ENV: \"a\": expected name=value"},
        {"FROM x\nENV a=1 b\n", "f:2: ENV: \"b\": expected name=value"},
        {"FROM x\nSHELL /bin/sh\n", "f:2: SHELL: expected a JSON list"},
        {"FROM x\nRUN a \\\n b \\\n c\nBAD\n", "f:5: unknown instruction"},
        {"# escape=x\nFROM x\n", "f:1: escape=\"x\""},
        {"# escape=`\n# escape=`\nFROM x\n", "f:2: directive \"escape\" occurs twice"},
    }));
    INFO(text);
    CHECK_THROWS_WITH(parse_dockerfile(text, "f"), ContainsSubstring(error));
    CHECK_THROWS_AS(parse_dockerfile(text, "f"), drydock::InputError);
}

TEST_CASE("parse_dockerfile: what is right and not built yet says so", "[05][dockerfile]") {
    const std::string line =
        GENERATE("RUN --mount=type=ssh ls", "RUN --mount=type=secret,id=a,env=A ls",
                 "RUN --security=insecure ls", "ADD --keep-git-dir=true a /b");
    INFO(line);
    CHECK_THROWS_AS(parsed(line), drydock::NotImplemented);
    CHECK_THROWS_WITH(parsed(line),
                      ContainsSubstring("not implemented: ") && ContainsSubstring("Dockerfile:2"));
}

TEST_CASE("parse_dockerfile: a heredoc is the lines up to its name, and nothing in it is read",
          "[05][dockerfile][heredoc]") {
    const auto run = parsed("RUN <<EOF\n# text\nFROM \\\n  x\n\nEOF\n");
    REQUIRE(run.heredocs.size() == 1);
    CHECK(run.heredocs[0].content == "# text\nFROM \\\n  x\n\n");
    CHECK(run.heredocs[0].expand);
    CHECK(run.words == Words{"<<EOF"});

    const auto copy = parsed("COPY <<-a <<'b' /d/\n\t\tx\n\ta\n\ty $z\nb\n");
    REQUIRE(copy.heredocs.size() == 2);
    CHECK(copy.heredocs[0].content == "x\n");
    CHECK(copy.heredocs[1].name == "b");
    CHECK(copy.heredocs[1].content == "\ty $z\n");
    CHECK_FALSE(copy.heredocs[1].expand);

    const auto file = parse_dockerfile(
        "FROM x\nRUN cat <<EOF && \\\n ls 3<<\"E F\"\na\nEOF\nb\nE F\nENV a=1\n", "f");
    const auto& instructions = file.stages[0].instructions;
    REQUIRE(instructions.size() == 2);
    CHECK(instructions[0].heredocs.at(1).content == "b\n");
    CHECK(instructions[1].line == 8);
    CHECK(parsed("RUN [\"echo\", \"<<EOF\"]").heredocs.empty());
    CHECK(parsed("RUN cat <<<word").heredocs.empty());
    CHECK(parsed("RUN echo \"<<EOF\"").heredocs.empty());
    CHECK(parsed("ENV a=<<EOF").heredocs.empty());
    CHECK(parsed("ONBUILD RUN <<EOF\na\nEOF").words == Words{"RUN <<EOF\na\nEOF"});
}

TEST_CASE("parse_dockerfile: HEALTHCHECK has times and a command", "[05][dockerfile]") {
    const auto check = parsed(
        "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1.5h --retries=4 CMD curl x");
    REQUIRE(check.healthcheck);
    CHECK(check.healthcheck->test == Words{"CMD-SHELL", "curl x"});
    CHECK(check.healthcheck->interval == 90'000'000'000);
    CHECK(check.healthcheck->timeout == 500'000'000);
    CHECK(check.healthcheck->start_period == 5'400'000'000'000);
    CHECK(check.healthcheck->retries == 4);
    CHECK(parsed("HEALTHCHECK CMD [\"a\", \"b\"]").healthcheck->test == Words{"CMD", "a", "b"});
    CHECK(parsed("healthcheck none").healthcheck->test == Words{"NONE"});
}

TEST_CASE("parse_run_mount: options of each type", "[05][dockerfile][mount]") {
    const auto same = [](const std::string& value) { return value; };
    using Mount = drydock::RunMount;
    const Mount cache =
        drydock::parse_run_mount("target=/c,id=k,sharing=locked,mode=0700,uid=3,type=cache", same);
    CHECK(cache.type == Mount::Type::Cache);
    CHECK(cache.sharing == Mount::Sharing::Locked);
    CHECK(cache.mode == 0700U);
    CHECK(cache.uid == 3);
    CHECK(drydock::parse_run_mount("dst=/x,from=a,src=/y,rw", same).readonly == false);
    CHECK(drydock::parse_run_mount("type=secret,id=s,required", same).required);
    CHECK(drydock::parse_run_mount("type=secret,target=/a/b", same).id == "b");
    CHECK(drydock::parse_run_mount("\"target=/a,b\"", same).target == "/a,b");
}

TEST_CASE("parse_dockerfile: an error in newer instructions names what would be right",
          "[05][dockerfile]") {
    const auto [text, error] = GENERATE(table<std::string, std::string>({
        {"RUN <<EOF\nx\n", "f:2: RUN: the heredoc \"<<EOF\" has no end; expected a line \"EOF\""},
        {"HEALTHCHECK curl x", "f:2: HEALTHCHECK: \"curl\": expected CMD or NONE"},
        {"HEALTHCHECK CMB x", "did you mean CMD?"},
        {"HEALTHCHECK CMD", "expected a command behind CMD"},
        {"HEALTHCHECK NONE x", "NONE stands alone"},
        {"HEALTHCHECK --interval=5 CMD x", "--interval=5: expected a duration"},
        {"HEALTHCHECK --interval=1us CMD x", "expected 1ms or more"},
        {"HEALTHCHECK --retries=x CMD x", "--retries=x: expected a number"},
        {"HEALTHCHECK --intervall=5s CMD x",
         "unknown flag \"--intervall\"; did you mean --interval?"},
        {"ONBUILD FROM x", "f:2: ONBUILD: FROM is not allowed as a trigger"},
        {"ONBUILD ONBUILD RUN x", "ONBUILD is not allowed as a trigger"},
        {"ONBUILD RNU x", "f:2: unknown instruction \"RNU\"; did you mean RUN?"},
        {"RUN --mount=type=cash,target=/x ls", "type=cash: expected bind, cache, tmpfs"},
        {"RUN --mount=type=cache ls", "expected target=PATH"},
        {"RUN --mount=type=tmpfs,target=/x,from=y ls", "has no option \"from\""},
        {"RUN --mount=type=cache,taget=/x ls", "unknown option \"taget\"; did you mean target?"},
        {"RUN --mount=type=cache,target=/x,mode=9 ls", "mode=9: expected an octal mode"},
        {"RUN --mount=type=secret ls", "expected id=NAME"},
        {"RUN --network=nome ls", "did you mean none?"},
        {"COPY --link=maybe a /b", "--link=maybe: expected true or false"},
        {"COPY --from=a --from=b c /d", "flag --from occurs twice"},
    }));
    INFO(text);
    CHECK_THROWS_WITH(parse_dockerfile("FROM x\n" + text, "f"), ContainsSubstring(error));
    CHECK_THROWS_AS(parse_dockerfile("FROM x\n" + text, "f"), drydock::InputError);
}
