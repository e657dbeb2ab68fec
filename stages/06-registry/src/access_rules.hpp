#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// What can be done with a repository; several at once as bits.
enum Action : unsigned { kNothing = 0, kPull = 1, kPush = 2, kDelete = 4 };
constexpr unsigned kEverything = kPull | kPush | kDelete;

/// "pull,push", in this order.
std::string actions_text(unsigned actions);
/// "pull", "push", "delete"; "*" is all of them; 0 for any other word
unsigned action_named(std::string_view word);

/// Who may do what with which repositories. A file of lines
///
///     USER REPOSITORIES ACTIONS
///     ann       team/*      pull,push,delete
///     *         **          pull
///     anonymous public/**   pull
///
/// USER is a name of the htpasswd file, "*" for everybody who logged in, or "anonymous" for those
/// who did not (and everybody else). In REPOSITORIES "*" stands for any characters but "/", "**"
/// for any at all. What no line allows is refused; lines with "#" in front are comments.
class AccessRules {
  public:
    /// @throws InputError naming the line that is something else
    explicit AccessRules(const std::filesystem::path& file);

    /// What `user` may do with the repository. @param user empty: nobody logged in
    [[nodiscard]] unsigned allowed(std::string_view user, std::string_view repository) const;
    /// Whether who did not log in may do anything at all.
    [[nodiscard]] bool knows_anonymous() const;

  private:
    struct Rule {
        std::string user{};
        std::string pattern{};
        unsigned actions = kNothing;
    };
    std::vector<Rule> rules_{};
};

/// Whether the repository is one of `pattern`, as above.
bool matches_repositories(std::string_view pattern, std::string_view repository);

}  // namespace drydock
