#include "05-images/expand.hpp"

#include <map>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::testing::ContainsSubstring;

namespace {

const drydock::LookUpVariable kVariables =
    [](const std::string& name) -> std::optional<std::string> {
    const std::map<std::string, std::string> values = {
        {"a", "1"}, {"empty", ""}, {"sp", "x y"}, {"long_1", "L"}, {"path", "/a/b/c.tar.gz"}};
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
};

}  // namespace

TEST_CASE("expand: every form gives what a shell gives", "[05][expand]") {
    const auto [text, expected] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"x", "x"},
        {"$a", "1"},
        {"${a}", "1"},
        {"$a$a", "11"},
        {"x${a}y", "x1y"},
        {"$long_1-", "L-"},
        {"$none", ""},
        {"${none}", ""},
        {"${none:-d}", "d"},
        {"${none-d}", "d"},
        {"${empty:-d}", "d"},
        {"${empty-d}", ""},
        {"${a:-d}", "1"},
        {"${a:+d}", "d"},
        {"${a+d}", "d"},
        {"${empty:+d}", ""},
        {"${empty+d}", "d"},
        {"${none:+d}", ""},
        {"${a:?e}", "1"},
        {"${empty?e}", ""},
        {"${none:-${a}}", "1"},
        {"${none:-x${none:-$a}y}", "x1y"},
        {"${none:-\"a b\"}", "a b"},
        {"\\$a", "$a"},
        {"'$a'", "$a"},
        {"\"$a\"", "1"},
        {"\"\\$a\"", "$a"},
        {"\"a\\b\"", "a\\b"},
        {"\"\\\"\"", "\""},
        {"a\\ b", "a b"},
        {"'a'\"b\"c", "abc"},
        {"$", "$"},
        {"a$", "a$"},
        {"$sp", "x y"},
        {"$1x", "x"},
        {"/x/$a/y", "/x/1/y"},
        {"\\", "\\"},
        {"${path#/*/}", "b/c.tar.gz"},
        {"${path##*/}", "c.tar.gz"},
        {"${path%.*}", "/a/b/c.tar"},
        {"${path%%.*}", "/a/b/c"},
        {"${path#x}", "/a/b/c.tar.gz"},
        {"${path/b/$a}", "/a/1/c.tar.gz"},
        {"${path//\\//_}", "_a_b_c.tar.gz"},
        {"${path/.tar.*}", "/a/b/c"},
        {"${path//?/x}", "xxxxxxxxxxxxx"},
        {"${none#x}", ""},
        {"${a#${a}}", ""},
    }));
    INFO(text);
    CHECK(drydock::expand(text, kVariables, '\\') == expected);
}

TEST_CASE("expand: the escape directive's character takes the backslash's place", "[05][expand]") {
    CHECK(drydock::expand("`$a c:\\x", kVariables, '`') == "$a c:\\x");
}

TEST_CASE("expand: what no shell would take is refused", "[05][expand]") {
    const std::string text = GENERATE("${a", "${", "${}", "${a:", "${a:-x", "'a", "\"a", "${a:=x}",
                                      "${a:#x}", "${a#x", "${a/x", "${-x}", "${none:?}");
    INFO(text);
    CHECK_THROWS_AS(drydock::expand(text, kVariables, '\\'), drydock::InputError);
}

TEST_CASE("expand: :? gives the user's own words", "[05][expand]") {
    CHECK_THROWS_WITH(drydock::expand("${none:?set it with --build-arg}", kVariables, '\\'),
                      "none: set it with --build-arg");
}

TEST_CASE("split_words: white space in quotes and behind escapes splits nothing", "[05][expand]") {
    using Words = std::vector<std::string>;
    CHECK(drydock::split_words("  a  b\tc ", '\\') == Words{"a", "b", "c"});
    CHECK(drydock::split_words("a=\"b c\" d='e f' g\\ h", '\\') ==
          Words{"a=\"b c\"", "d='e f'", "g\\ h"});
    CHECK(drydock::split_words("a=\"b \\\" c\"", '\\') == Words{"a=\"b \\\" c\""});
    CHECK(drydock::split_words("", '\\').empty());
}

TEST_CASE("expand_heredoc: quotes are text, a backslash takes the meaning off a dollar",
          "[05][expand]") {
    CHECK(drydock::expand_heredoc("it's \"$a\" \\$a ${none:-d}\n", kVariables) ==
          "it's \"1\" $a d\n");
}
