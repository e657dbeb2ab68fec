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
        GENERATE("RUN <<EOF\necho\nEOF", "COPY <<EOF /f", "RUN 3<<-\"E\" cat", "HEALTHCHECK NONE",
                 "ONBUILD RUN x", "RUN --mount=type=cache,target=/x ls", "COPY --parents a /b");
    INFO(line);
    CHECK_THROWS_AS(parsed(line), drydock::NotImplemented);
    CHECK_THROWS_WITH(parsed(line),
                      ContainsSubstring("not implemented: ") && ContainsSubstring("Dockerfile:2"));
}
