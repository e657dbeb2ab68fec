#include "05-images/expand.hpp"

#include <cctype>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::string_view kWordBreak = " \t\r\n";

bool begins_name(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool in_name(char c) {
    return begins_name(c) || std::isdigit(static_cast<unsigned char>(c)) != 0;
}

/// Whether the whole of `text` matches: "*" is any text, "?" any character, "\\" takes the meaning
/// off what follows.
bool matches_text(std::string_view pattern, std::string_view text) {
    while (!pattern.empty()) {
        if (pattern[0] == '*') {
            for (std::size_t taken = 0; taken <= text.size(); ++taken) {
                if (matches_text(pattern.substr(1), text.substr(taken))) {
                    return true;
                }
            }
            return false;
        }
        if (text.empty()) {
            return false;
        }
        const bool any = pattern[0] == '?';
        pattern.remove_prefix(pattern[0] == '\\' && pattern.size() > 1 ? 1 : 0);
        if (!any && pattern[0] != text[0]) {
            return false;
        }
        pattern.remove_prefix(1);
        text.remove_prefix(1);
    }
    return text.empty();
}

std::string without_prefix(const std::string& value, std::string_view pattern, bool longest) {
    for (std::size_t i = 0; i <= value.size(); ++i) {
        const std::size_t size = longest ? value.size() - i : i;
        if (matches_text(pattern, std::string_view(value).substr(0, size))) {
            return value.substr(size);
        }
    }
    return value;
}

std::string without_suffix(const std::string& value, std::string_view pattern, bool longest) {
    for (std::size_t i = 0; i <= value.size(); ++i) {
        const std::size_t keep = longest ? i : value.size() - i;
        if (matches_text(pattern, std::string_view(value).substr(keep))) {
            return value.substr(0, keep);
        }
    }
    return value;
}

/// The longest match at the first place, or at each.
std::string replaced(const std::string& value, std::string_view pattern,
                     const std::string& replacement, bool all) {
    std::string result;
    std::size_t at = 0;
    bool more = !pattern.empty();
    while (at < value.size()) {
        std::size_t size = more ? value.size() - at : 0;
        while (size > 0 && !matches_text(pattern, std::string_view(value).substr(at, size))) {
            --size;
        }
        result += size > 0 ? replacement : std::string(1, value[at]);
        more = more && (size == 0 || all);
        at += size > 0 ? size : 1;
    }
    return result;
}

/// A recursive descent over one text; `at_` is the next character.
class Expander {
  public:
    Expander(std::string_view text, const LookUpVariable& look_up, char escape)
        : text_(text), look_up_(look_up), escape_(escape) {}

    /// Up to one of `stops`, which is not taken; with no stops to the end.
    std::string word(std::string_view stops) {
        std::string result;
        while (!done() && stops.find(peek()) == std::string_view::npos) {
            const char c = take();
            if (keep_quotes_ && (c == '\'' || c == '"')) {
                result += c;
            } else if (c == '\'') {
                result += single_quoted();
            } else if (c == '"') {
                result += double_quoted();
            } else if (c == '$') {
                result += variable();
            } else if (c == escape_) {
                // A pattern has its own use for it.
                result += done() || keep_escapes_ ? std::string(1, c) : "";
                result += done() ? "" : std::string(1, take());
            } else {
                result += c;
            }
        }
        return result;
    }

    void keep_quotes() { keep_quotes_ = true; }

  private:
    [[nodiscard]] bool done() const { return at_ == text_.size(); }
    [[nodiscard]] char peek() const { return text_[at_]; }
    char take() { return text_[at_++]; }
    [[noreturn]] void refuse(std::string_view what) const {
        throw InputError(fmt::format("{} in \"{}\"", what, text_));
    }

    std::string single_quoted() {
        const std::size_t end = text_.find('\'', at_);
        if (end == std::string_view::npos) {
            refuse("missing closing quote '");
        }
        const std::string_view inside = text_.substr(at_, end - at_);
        at_ = end + 1;
        return std::string(inside);
    }

    std::string double_quoted() {
        std::string result;
        while (true) {
            if (done()) {
                refuse("missing closing quote \"");
            }
            const char c = take();
            if (c == '"') {
                return result;
            }
            if (c == '$') {
                result += variable();
            } else if (c == escape_ && !done() &&
                       (peek() == '"' || peek() == '$' || peek() == escape_)) {
                result += take();
            } else {
                result += c;
            }
        }
    }

    std::string name() {
        const std::size_t begin = at_;
        if (!done() && begins_name(peek())) {
            while (!done() && in_name(peek())) {
                ++at_;
            }
        } else if (!done() && std::isdigit(static_cast<unsigned char>(peek())) != 0) {
            ++at_;  // a shell's positional parameter: never set here
        }
        return std::string(text_.substr(begin, at_ - begin));
    }

    std::string variable() {
        if (done() || peek() != '{') {
            const std::string found = name();
            return found.empty() ? "$" : look_up_(found).value_or("");
        }
        ++at_;
        const std::string found = name();
        if (found.empty()) {
            refuse("bad substitution: no variable's name behind ${");
        }
        const std::optional<std::string> value = look_up_(found);
        if (done()) {
            refuse("bad substitution: missing }");
        }
        if (peek() == '}') {
            ++at_;
            return value.value_or("");
        }
        return modified(found, value);
    }

    std::string modified(const std::string& found, const std::optional<std::string>& value) {
        const bool colon = peek() == ':';
        at_ += colon ? 1 : 0;
        const char op = done() ? '\0' : take();
        if (!colon && (op == '#' || op == '%' || op == '/')) {
            return by_pattern(op, value.value_or(""));
        }
        if (op != '-' && op != '+' && op != '?') {
            refuse(fmt::format(
                "unsupported modifier behind ${{{}; expected :- - :+ + :? ? # ## % %% / or //",
                found));
        }
        const std::string other = word("}");
        close_brace();
        const bool is_set = value && !(colon && value->empty());
        if (op == '+') {
            return is_set ? other : "";
        }
        if (!is_set && op == '?') {
            throw InputError(fmt::format("{}: {}", found, other.empty() ? "is not set" : other));
        }
        return is_set ? *value : other;
    }

    void close_brace() {
        if (done()) {
            refuse("bad substitution: missing }");
        }
        ++at_;
    }

    /// ${v#p} and ${v##p}, ${v%p} and ${v%%p}, ${v/p/r} and ${v//p/r}; `op` is taken.
    std::string by_pattern(char op, const std::string& value) {
        const bool twice = !done() && peek() == op;
        at_ += twice ? 1 : 0;
        keep_escapes_ = true;
        const std::string pattern = word(op == '/' ? "/}" : "}");
        std::string replacement;
        if (op == '/' && !done() && peek() == '/') {
            ++at_;
            keep_escapes_ = false;
            replacement = word("}");
        }
        keep_escapes_ = false;
        close_brace();
        return op == '#'   ? without_prefix(value, pattern, twice)
               : op == '%' ? without_suffix(value, pattern, twice)
                           : replaced(value, pattern, replacement, twice);
    }

    std::string_view text_;
    const LookUpVariable& look_up_;
    char escape_;
    std::size_t at_ = 0;
    bool keep_quotes_ = false;
    bool keep_escapes_ = false;
};

}  // namespace

// [region: expand]
std::string expand(std::string_view text, const LookUpVariable& look_up, char escape) {
    return Expander(text, look_up, escape).word("");
}
// [/region]

std::string expand_heredoc(std::string_view text, const LookUpVariable& look_up) {
    Expander expander(text, look_up, '\\');
    expander.keep_quotes();
    return expander.word("");
}

std::vector<std::string> split_words(std::string_view text, char escape) {
    std::vector<std::string> result;
    std::string word;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == 0 && kWordBreak.find(c) != std::string_view::npos) {
            if (!word.empty()) {
                result.push_back(std::move(word));
                word.clear();
            }
            continue;
        }
        word += c;
        if (c == escape && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
        } else if (c == quote) {
            quote = 0;
        } else if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
        }
    }
    if (!word.empty()) {
        result.push_back(std::move(word));
    }
    return result;
}

}  // namespace drydock
