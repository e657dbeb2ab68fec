#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// The rules of a .dockerignore file: what of a context a build does not see.
///
/// A line is a pattern, or with "!" an exception; the last line that matches decides. "*" and "?"
/// do not match "/", "**" matches any number of directories, "[a-z]" one character of a set, "\"
/// the next character itself. A pattern that matches a directory holds for all below it.
class IgnoreRules {
  public:
    IgnoreRules() = default;
    /// @param name of the file, for errors
    /// @throws InputError "name:3: …" for a pattern that is none
    IgnoreRules(std::string_view text, std::string_view name);

    /// @param path relative to the context, without "./"
    [[nodiscard]] bool ignores(std::string_view path) const;
    /// Whether something below the ignored directory `path` could still be let in by an exception.
    [[nodiscard]] bool may_hold_exceptions(std::string_view path) const;

  private:
    struct Rule {
        std::string pattern{};
        bool exception = false;
    };
    std::vector<Rule> rules_{};
};

/// Whether the whole of `path` matches `pattern`, by the rules above.
bool matches_pattern(std::string_view pattern, std::string_view path);
/// As Go's filepath.Match, for the sources of COPY: the same without "**".
bool matches_glob(std::string_view pattern, std::string_view name);
/// Whether it has a character that matches_glob gives a meaning.
bool is_glob(std::string_view text);

}  // namespace drydock
