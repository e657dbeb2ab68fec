#include "05-images/ignore_file.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

/// Matches the set at pattern[at] == '[' against c and moves `at` behind it.
bool matches_set(std::string_view pattern, std::size_t& at, char c) {
    ++at;
    const bool negated = at < pattern.size() && pattern[at] == '^';
    at += negated ? 1 : 0;
    bool found = false;
    bool first = true;
    while (at < pattern.size() && (pattern[at] != ']' || first)) {
        first = false;
        at += pattern[at] == '\\' && at + 1 < pattern.size() ? 1 : 0;
        const char low = pattern[at++];
        char high = low;
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            at += pattern[at + 1] == '\\' && at + 2 < pattern.size() ? 2 : 1;
            high = pattern[at++];
        }
        found = found || (low <= c && c <= high);
    }
    ++at;  // ']'
    return found != negated;
}

/// How much of `text` a "*" or "**" may take is tried from nothing upwards; patterns are short.
bool match(std::string_view pattern, std::string_view text, bool deep) {
    std::size_t at = 0;
    while (at < pattern.size()) {
        if (deep && pattern.substr(at).starts_with("**")) {
            std::string_view rest = pattern.substr(at + 2);
            // "**/x" matches "x" too: the slash belongs to what "**" stands for.
            if (rest.starts_with('/') && match(rest.substr(1), text, deep)) {
                return true;
            }
            for (std::size_t taken = 0; taken <= text.size(); ++taken) {
                if (match(rest, text.substr(taken), deep)) {
                    return true;
                }
            }
            return false;
        }
        if (pattern[at] == '*') {
            for (std::size_t taken = 0; taken <= text.size(); ++taken) {
                if (match(pattern.substr(at + 1), text.substr(taken), deep)) {
                    return true;
                }
                if (taken < text.size() && text[taken] == '/') {
                    return false;
                }
            }
            return false;
        }
        if (text.empty()) {
            return false;
        }
        if (pattern[at] == '[') {
            if (text[0] == '/' || !matches_set(pattern, at, text[0])) {
                return false;
            }
        } else if (pattern[at] == '?') {
            if (text[0] == '/') {
                return false;
            }
            ++at;
        } else {
            at += pattern[at] == '\\' && at + 1 < pattern.size() ? 1 : 0;
            if (pattern[at] != text[0]) {
                return false;
            }
            ++at;
        }
        text.remove_prefix(1);
    }
    return text.empty();
}

void check_pattern(std::string_view pattern, std::string_view name, int line) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
            ++i;
        } else if (pattern[i] == '[' && pattern.find(']', i + 2) == std::string_view::npos) {
            throw InputError(
                fmt::format("{}:{}: pattern \"{}\": \"[\" without \"]\"", name, line, pattern));
        }
    }
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view path) {
    return match(pattern, path, true);
}

bool matches_glob(std::string_view pattern, std::string_view name) {
    return match(pattern, name, false);
}

bool is_glob(std::string_view text) {
    return text.find_first_of("*?[\\") != std::string_view::npos;
}

IgnoreRules::IgnoreRules(std::string_view text, std::string_view name) {
    constexpr std::string_view kBlank = " \t\r\f\v";
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);
    }
    for (int line = 1; !text.empty(); ++line) {
        const std::size_t end = text.find('\n');
        std::string_view pattern = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (pattern.starts_with('#')) {
            continue;
        }
        const auto trim = [&] {
            pattern.remove_prefix(std::min(pattern.find_first_not_of(kBlank), pattern.size()));
            pattern = pattern.substr(0, pattern.find_last_not_of(kBlank) + 1);
        };
        trim();
        const bool exception = pattern.starts_with('!');
        if (exception) {
            pattern.remove_prefix(1);
            trim();
        }
        if (pattern.empty()) {
            if (exception) {
                throw InputError(fmt::format("{}:{}: \"!\" without a pattern", name, line));
            }
            continue;
        }
        std::string clean =
            std::filesystem::path(pattern).lexically_normal().relative_path().native();
        while (clean.size() > 1 && clean.ends_with('/')) {
            clean.pop_back();
        }
        check_pattern(clean, name, line);
        rules_.push_back({.pattern = std::move(clean), .exception = exception});
    }
}

// [region: ignores]
bool IgnoreRules::ignores(std::string_view path) const {
    bool ignored = false;
    for (const Rule& rule : rules_) {
        if (rule.exception != ignored) {
            continue;  // it could only say what holds already
        }
        // The path itself or one of the directories above it.
        for (std::size_t end = 0; end != std::string_view::npos;) {
            end = path.find('/', end + 1);
            if (matches_pattern(rule.pattern, path.substr(0, end))) {
                ignored = !rule.exception;
                break;
            }
        }
    }
    return ignored;
}
// [/region]

bool IgnoreRules::may_hold_exceptions(std::string_view path) const {
    return std::ranges::any_of(rules_, [&](const Rule& rule) {
        if (!rule.exception) {
            return false;
        }
        const std::string_view pattern = rule.pattern;
        const std::size_t literal = std::min(pattern.find_first_of("*?[\\"), pattern.size());
        const std::string below = std::string(path) + "/";
        return pattern.substr(0, literal).starts_with(below) ||
               below.starts_with(pattern.substr(0, literal));
    });
}

}  // namespace drydock
