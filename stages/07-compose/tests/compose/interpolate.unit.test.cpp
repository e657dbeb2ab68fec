#include "07-compose/compose/interpolate.hpp"

#include <vector>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using namespace drydock::compose;
using drydock::testing::ContainsSubstring;

namespace {

std::string with(std::string_view text, std::vector<std::string>* unset = nullptr) {
    const std::map<std::string, std::string> variables = {
        {"A", "one"}, {"EMPTY", ""}, {"B_2", "two"}};
    const Lookup lookup = [&](const std::string& name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    return interpolate(text, lookup, "compose.yaml:3:7", [&](const std::string& name) {
        if (unset != nullptr) {
            unset->push_back(name);
        }
    });
}

}  // namespace

TEST_CASE("interpolate: names, braces and plain dollars", "[07][compose][interpolate]") {
    CHECK(with("$A ${A} ${B_2}x $A.b") == "one one twox one.b");
    CHECK(with("$$A $1 a$ $") == "$A $1 a$ $");
    CHECK(with("no variables") == "no variables");
}

TEST_CASE("interpolate: defaults and replacements", "[07][compose][interpolate]") {
    CHECK(with("${A:-d} ${N:-d} ${EMPTY:-d} ${EMPTY-d} ${N-d}") == "one d d  d");
    CHECK(with("${A:+r} ${N:+r} ${EMPTY:+r} ${EMPTY+r}") == "r   r");
    CHECK(with("${N:-${A}} ${N:-${M:-deep}} ${N:-}") == "one deep ");
    CHECK(with("${A:?needed}") == "one");
}

TEST_CASE("interpolate: a required variable that is not set is told with its place",
          "[07][compose][interpolate]") {
    CHECK_THROWS_WITH(with("${N:?put it into .env}"), ContainsSubstring("compose.yaml:3:7") &&
                                                          ContainsSubstring("N") &&
                                                          ContainsSubstring("put it into .env"));
    CHECK_THROWS_WITH(with("${EMPTY:?}"), ContainsSubstring("EMPTY"));
    CHECK(with("${EMPTY?}").empty());
}

TEST_CASE("interpolate: a variable without a value counts as empty, and is told",
          "[07][compose][interpolate]") {
    std::vector<std::string> unset;
    CHECK(with("[$N] [${M}]", &unset) == "[] []");
    CHECK(unset == std::vector<std::string>{"N", "M"});
}

TEST_CASE("interpolate: what is no variable is refused", "[07][compose][interpolate]") {
    for (const char* wrong : {"${A", "${}", "${1}", "${A!x}", "${A:x}", "${N:-${A}"}) {
        CHECK_THROWS_WITH(with(wrong), ContainsSubstring("compose.yaml:3:7") &&
                                           ContainsSubstring("${NAME:-default}"));
    }
}

TEST_CASE("parse_env_file: quotes, export and comments", "[07][compose][interpolate]") {
    const auto variables =
        parse_env_file("# x\nA=1\nexport B=two words # c\n\nC=\"a # b\"\nD='$x'\nE=\r\n", ".env");
    CHECK(variables == std::map<std::string, std::string>{
                           {"A", "1"}, {"B", "two words"}, {"C", "a # b"}, {"D", "$x"}, {"E", ""}});
    CHECK_THROWS_WITH(parse_env_file("A=1\nnot a line\n", "/p/.env"),
                      ContainsSubstring("/p/.env:2"));
}
