#include "access_rules.hpp"

#include <sstream>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

constexpr const char* kAnonymous = "anonymous";
constexpr std::size_t kMaxRules = std::size_t{1} << 20U;

bool is_pattern(std::string_view text) {
    return text.size() <= 255 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-/*") ==
               std::string_view::npos &&
           text.front() != '/' && text.back() != '/' && text.find("***") == std::string_view::npos;
}

/// @return 0 when one of the words is no action
unsigned parse_actions(const std::string& text) {
    unsigned actions = kNothing;
    std::istringstream words(text);
    std::string word;
    while (std::getline(words, word, ',')) {
        const unsigned action = word == "*" ? kNothing : action_named(word);
        if (action == kNothing) {
            return kNothing;
        }
        actions |= action;
    }
    return text.ends_with(',') ? kNothing : actions;
}

}  // namespace

std::string actions_text(unsigned actions) {
    std::string text;
    for (const auto& [action, name] :
         {std::pair(kPull, "pull"), std::pair(kPush, "push"), std::pair(kDelete, "delete")}) {
        if ((actions & action) != 0) {
            text += (text.empty() ? "" : ",") + std::string(name);
        }
    }
    return text;
}

unsigned action_named(std::string_view word) {
    for (const unsigned action : {kPull, kPush, kDelete}) {
        if (word == actions_text(action)) {
            return action;
        }
    }
    return word == "*" ? kEverything : kNothing;
}

bool matches_repositories(std::string_view pattern, std::string_view repository) {
    // at[j]: the pattern so far fits the first j characters. No way back, so no pattern is slow.
    std::vector<char> at(repository.size() + 1, 0);
    at[0] = 1;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const bool any = pattern.substr(i).starts_with("**");
        if (pattern[i] == '*') {
            for (std::size_t j = 0; j < repository.size(); ++j) {
                at[j + 1] = at[j + 1] != 0 || (at[j] != 0 && (any || repository[j] != '/')) ? 1 : 0;
            }
            i += any ? 1 : 0;
            continue;
        }
        for (std::size_t j = repository.size(); j > 0; --j) {
            at[j] = at[j - 1] != 0 && repository[j - 1] == pattern[i] ? 1 : 0;
        }
        at[0] = 0;
    }
    return at.back() != 0;
}

AccessRules::AccessRules(const std::filesystem::path& file) {
    std::istringstream lines(read_file(file, kMaxRules));
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        std::istringstream words(line);
        Rule rule;
        std::string actions;
        if (!(words >> rule.user) || rule.user.starts_with('#')) {
            continue;
        }
        std::string more;
        const bool three = words >> rule.pattern >> actions && !(words >> more);
        rule.actions = three ? parse_actions(actions) : kNothing;
        if (rule.actions == kNothing || !is_pattern(rule.pattern)) {
            throw InputError(fmt::format(
                "{}:{}: expected USER REPOSITORIES ACTIONS, like `ann team/* pull,push,delete`",
                file.native(), number));
        }
        rules_.push_back(std::move(rule));
    }
    if (rules_.empty()) {
        throw InputError(
            fmt::format("{}: allows nobody anything; expected lines USER REPOSITORIES "
                        "ACTIONS, like `ann team/* pull,push,delete`",
                        file.native()));
    }
}

unsigned AccessRules::allowed(std::string_view user, std::string_view repository) const {
    unsigned actions = kNothing;
    for (const Rule& rule : rules_) {
        const bool meant =
            rule.user == kAnonymous || (!user.empty() && (rule.user == "*" || rule.user == user));
        if (meant && matches_repositories(rule.pattern, repository)) {
            actions |= rule.actions;
        }
    }
    return actions;
}

bool AccessRules::knows_anonymous() const {
    for (const Rule& rule : rules_) {
        if (rule.user == kAnonymous) {
            return true;
        }
    }
    return false;
}

}  // namespace drydock
