#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drydock::cli {

/// The rules of a .dockerignore file. The last that matches decides; "!" takes back.
class IgnoreRules {
  public:
    IgnoreRules() = default;
    explicit IgnoreRules(std::string_view text);
    /// @param path relative to the context, without a leading "/"; below an ignored directory all
    /// is ignored
    [[nodiscard]] bool ignores(const std::string& path) const;
    /// Whether a "!" rule may take back something below an ignored directory.
    [[nodiscard]] bool has_exceptions() const noexcept;

  private:
    struct Rule {
        std::string pattern{};
        bool exception = false;
    };
    std::vector<Rule> rules_{};
};

/// Whether `pattern` matches all of `path`: "*" any characters but "/", "?" one, "[a-c]" and "[^a]"
/// one of a set,
/// "**" any number of folders, "\" takes a character as it is.
bool glob_matches(std::string_view pattern, std::string_view path);

}  // namespace drydock::cli
