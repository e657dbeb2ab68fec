#include "05-images/ignore_file.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::testing::ContainsSubstring;

TEST_CASE("IgnoreRules: which paths a file of rules ignores", "[05][ignore]") {
    const auto [rules, path, ignored] = GENERATE(table<std::string, std::string, bool>({
        {"", "a", false},
        {"a", "a", true},
        {"a", "a/b", true},
        {"a", "b/a", false},
        {"a/", "a/b", true},
        {"/a", "a", true},
        {"./a", "a", true},
        {"b/../a", "a", true},
        {"*", "a", true},
        {"*", "a/b", true},
        {"*.o", "x.o", true},
        {"*.o", "d/x.o", false},
        {"*/*.o", "d/x.o", true},
        {"**/*.o", "x.o", true},
        {"**/*.o", "a/b/x.o", true},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**", "a/x", true},
        {"?", "a", true},
        {"?", "ab", false},
        {"[a-c]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"# a", "# a", false},
        {" a ", "a", true},
        {"a\r\nb\r\n", "b", true},
        {"*\n!keep", "keep", false},
        {"*\n!keep", "keep/x", false},
        {"*\n!keep\nkeep/x", "keep/x", true},
        {"!keep\n*", "keep", true},
        {"d\n!d/keep", "d/keep", false},
        {"d\n!d/keep", "d/other", true},
        {"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
        {"*.md\n!README*.md\nREADME-secret.md", "README.md", false},
    }));
    INFO(rules << " | " << path);
    CHECK(drydock::IgnoreRules(rules, ".dockerignore").ignores(path) == ignored);
}

TEST_CASE("IgnoreRules: an ignored directory is entered when an exception may be in it",
          "[05][ignore]") {
    const drydock::IgnoreRules rules("d\ne\n!d/keep/*\n", ".dockerignore");
    CHECK(rules.may_hold_exceptions("d"));
    CHECK(rules.may_hold_exceptions("d/keep"));
    CHECK_FALSE(rules.may_hold_exceptions("e"));
    CHECK(drydock::IgnoreRules("*\n!**/x", "f").may_hold_exceptions("any"));
}

TEST_CASE("IgnoreRules: a pattern that is none is named with its line", "[05][ignore]") {
    CHECK_THROWS_WITH(drydock::IgnoreRules("a\n[x\n", ".dockerignore"),
                      ContainsSubstring(".dockerignore:2: pattern \"[x\""));
    CHECK_THROWS_WITH(drydock::IgnoreRules("!\n", ".dockerignore"),
                      ContainsSubstring(".dockerignore:1:"));
}

TEST_CASE("matches_glob: a star stays between two slashes", "[05][ignore]") {
    CHECK(drydock::matches_glob("*.txt", "a.txt"));
    CHECK(drydock::matches_glob("a/*/c", "a/b/c"));
    CHECK_FALSE(drydock::matches_glob("a*", "a/b"));
    CHECK_FALSE(drydock::matches_glob("**", "a/b"));
    CHECK(drydock::is_glob("a?"));
    CHECK_FALSE(drydock::is_glob("a.txt"));
}
