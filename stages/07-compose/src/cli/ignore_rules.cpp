#include "07-compose/cli/ignore_rules.hpp"

#include <algorithm>
#include <filesystem>

namespace drydock::cli {
namespace {

/// Whether the set at the beginning of `set` ("a-c]...") has `c`; the rest of the pattern behind it
/// is put into `rest`.
bool set_has(std::string_view set, char c, std::string_view& rest) {
    const bool negated = set.starts_with('^') || set.starts_with('!');
    std::size_t i = negated ? 1 : 0;
    bool found = false;
    for (bool first = true; i < set.size() && (first || set[i] != ']'); first = false) {
        if (i + 2 < set.size() && set[i + 1] == '-' && set[i + 2] != ']') {
            found = found || (set[i] <= c && c <= set[i + 2]);
            i += 3;
        } else {
            found = found || set[i] == c;
            ++i;
        }
    }
    rest = set.substr(std::min(set.size(), i + 1));
    return found != negated;
}

/// "**/" stands for no folder or any number of them, a last "**" for anything.
bool double_star_matches(std::string_view rest, std::string_view path) {
    if (rest.empty()) {
        return true;
    }
    rest.remove_prefix(rest.starts_with('/') ? 1 : 0);
    while (!glob_matches(rest, path)) {
        const auto slash = path.find('/');
        if (slash == std::string_view::npos) {
            return false;
        }
        path.remove_prefix(slash + 1);
    }
    return true;
}

bool star_matches(std::string_view rest, std::string_view path) {
    for (std::size_t taken = 0;; ++taken) {
        if (glob_matches(rest, path.substr(taken))) {
            return true;
        }
        if (taken == path.size() || path[taken] == '/') {
            return false;
        }
    }
}

std::string without_blanks(std::string_view line) {
    const auto begin = line.find_first_not_of(" \t\r");
    return begin == std::string_view::npos
               ? ""
               : std::string(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1));
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view path) {
    if (pattern.empty()) {
        return path.empty();
    }
    if (pattern.starts_with("**")) {
        return double_star_matches(pattern.substr(2), path);
    }
    if (pattern.front() == '*') {
        return star_matches(pattern.substr(1), path);
    }
    if (path.empty()) {
        return false;
    }
    std::string_view rest = pattern.substr(1);
    if (pattern.front() == '[') {
        return path.front() != '/' && set_has(rest, path.front(), rest) &&
               glob_matches(rest, path.substr(1));
    }
    if (pattern.front() == '?') {
        return path.front() != '/' && glob_matches(rest, path.substr(1));
    }
    if (pattern.front() == '\\' && !rest.empty()) {
        return rest.front() == path.front() && glob_matches(rest.substr(1), path.substr(1));
    }
    return pattern.front() == path.front() && glob_matches(rest, path.substr(1));
}

IgnoreRules::IgnoreRules(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        std::string line = without_blanks(text.substr(0, end));
        text.remove_prefix(std::min(text.size(), end + 1));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const bool exception = line.front() == '!';
        line = std::filesystem::path(without_blanks(line.substr(exception ? 1 : 0)))
                   .lexically_normal()
                   .relative_path()
                   .native();
        if (line.ends_with('/')) {
            line.pop_back();
        }
        if (!line.empty() && line != ".") {
            rules_.push_back({.pattern = std::move(line), .exception = exception});
        }
    }
}

bool IgnoreRules::ignores(const std::string& path) const {
    bool ignored = false;
    for (const Rule& rule : rules_) {
        // A rule for a folder is a rule for all below it.
        for (auto end = path.find('/');; end = path.find('/', end + 1)) {
            if (glob_matches(rule.pattern, std::string_view(path).substr(0, end))) {
                ignored = !rule.exception;
                break;
            }
            if (end == std::string::npos) {
                break;
            }
        }
    }
    return ignored;
}

bool IgnoreRules::has_exceptions() const noexcept {
    return std::ranges::any_of(rules_, [](const Rule& rule) { return rule.exception; });
}

}  // namespace drydock::cli
