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

/// A recursive descent over one text; `at_` is the next character.
class Expander {
  public:
    Expander(std::string_view text, const LookUpVariable& look_up, char escape)
        : text_(text), look_up_(look_up), escape_(escape) {}

    /// Up to `stop`, which is not taken, or with stop 0 to the end.
    std::string word(char stop) {
        std::string result;
        while (!done() && (stop == 0 || peek() != stop)) {
            const char c = take();
            if (c == '\'') {
                result += single_quoted();
            } else if (c == '"') {
                result += double_quoted();
            } else if (c == '$') {
                result += variable();
            } else if (c == escape_) {
                result += done() ? c : take();
            } else {
                result += c;
            }
        }
        return result;
    }

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
        if (op != '-' && op != '+' && op != '?') {
            refuse(fmt::format("unsupported modifier behind ${{{}; expected :- - :+ + :? or ?",
                               found));
        }
        const std::string other = word('}');
        if (done()) {
            refuse("bad substitution: missing }");
        }
        ++at_;
        const bool is_set = value && !(colon && value->empty());
        if (op == '+') {
            return is_set ? other : "";
        }
        if (!is_set && op == '?') {
            throw InputError(fmt::format("{}: {}", found, other.empty() ? "is not set" : other));
        }
        return is_set ? *value : other;
    }

    std::string_view text_;
    const LookUpVariable& look_up_;
    char escape_;
    std::size_t at_ = 0;
};

}  // namespace

// [region: expand]
std::string expand(std::string_view text, const LookUpVariable& look_up, char escape) {
    return Expander(text, look_up, escape).word(0);
}
// [/region]

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
