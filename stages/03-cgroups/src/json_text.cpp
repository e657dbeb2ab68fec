#include "json_text.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "json_string.hpp"

namespace drydock {
namespace {

constexpr unsigned kMaxDepth = 128;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {
        constexpr std::size_t kBytesAValue = 12;
        items_.reserve(text.size() / kBytesAValue + 1);
        if (text_.starts_with("\xef\xbb\xbf")) {  // a byte order mark means nothing
            at_ = 3;
        }
    }

    std::vector<JsonItem> document() {
        value(JsonItem(), 0);
        skip_space();
        if (at_ != text_.size()) {
            fail("expected the end");
        }
        return std::move(items_);
    }

  private:
    [[noreturn]] void fail(std::string_view problem) const {
        const std::string_view before = text_.substr(0, at_);
        const auto line = std::ranges::count(before, '\n') + 1;
        const auto begin = before.rfind('\n');
        const std::size_t column = at_ - (begin == std::string_view::npos ? 0 : begin + 1) + 1;
        throw InputError(
            fmt::format("parse error at line {}, column {}: {}", line, column, problem));
    }

    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                      text_[at_] == '\r' || text_[at_] == '\t')) {
            ++at_;
        }
    }
    [[nodiscard]] char peek() {
        skip_space();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) {
        if (peek() != c) {
            return false;
        }
        ++at_;
        return true;
    }

    /// Reads a value, and everything below it, into items_.
    /// @param item knows its key already
    void value(JsonItem item, unsigned depth) {
        if (depth > kMaxDepth) {
            fail(fmt::format("more than {} levels", kMaxDepth));
        }
        const char first = peek();
        const std::size_t index = items_.size();
        const std::size_t begin = at_;
        items_.push_back(item);
        if (first == '{') {
            object(index, depth);
        } else if (first == '[') {
            array(index, depth);
        } else if (first == '"') {
            items_[index].kind = JsonItem::Kind::String;
            items_[index].text = string(items_[index].escaped);
        } else if (first == '-' || is_digit(first)) {
            number();
            items_[index].kind = JsonItem::Kind::Number;
        } else {
            items_[index].kind = word();
        }
        if (first != '"') {
            items_[index].text = text_.substr(begin, at_ - begin);
        }
        items_[index].extent = static_cast<std::uint32_t>(items_.size() - index);
    }

    void object(std::size_t index, unsigned depth) {
        items_[index].kind = JsonItem::Kind::Object;
        ++at_;
        if (take('}')) {
            return;
        }
        do {
            if (peek() != '"') {
                fail("expected a key in double quotes");
            }
            JsonItem member;
            member.key = string(member.escaped_key);
            if (!take(':')) {
                fail("expected \":\"");
            }
            value(member, depth + 1);
            ++items_[index].children;
        } while (take(','));
        if (!take('}')) {
            fail("expected \",\" or \"}\"");
        }
        refuse_same_keys(index);
    }

    void array(std::size_t index, unsigned depth) {
        items_[index].kind = JsonItem::Kind::Array;
        ++at_;
        if (take(']')) {
            return;
        }
        do {
            value(JsonItem(), depth + 1);
            ++items_[index].children;
        } while (take(','));
        if (!take(']')) {
            fail("expected \",\" or \"]\"");
        }
    }

    /// One reader would take the first, another the last.
    void refuse_same_keys(std::size_t object) const {
        std::vector<std::string_view> keys;
        keys.reserve(items_[object].children);
        for (std::size_t i = object + 1; i < items_.size(); i += items_[i].extent) {
            keys.push_back(items_[i].key);
        }
        std::ranges::sort(keys);
        const auto twice = std::ranges::adjacent_find(keys);
        if (twice != keys.end()) {
            fail(fmt::format("the key \"{}\" is there twice", *twice));
        }
    }

    /// What is between the quotes. @param escaped becomes whether there is a "\" in it
    std::string_view string(bool& escaped) {
        const std::size_t begin = ++at_;
        while (at_ < text_.size() && text_[at_] != '"') {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '\\') {
                const std::size_t length = json_escape_length(text_.substr(at_));
                if (length == 0) {
                    fail("an escape that is no character");
                }
                escaped = true;
                at_ += length;
            } else if (c < 0x20) {
                fail("a control character in a string");
            } else if (c < 0x80) {
                ++at_;
            } else if (const std::size_t length = utf8_length(text_.substr(at_)); length != 0) {
                at_ += length;
            } else {
                fail("a string that is not UTF-8");
            }
        }
        if (at_ == text_.size()) {
            fail("expected the closing quote");
        }
        return text_.substr(begin, at_++ - begin);
    }

    void number() {
        const auto digits = [this] {
            if (at_ == text_.size() || !is_digit(text_[at_])) {
                fail("expected a digit");
            }
            while (at_ < text_.size() && is_digit(text_[at_])) {
                ++at_;
            }
        };
        const auto next_is = [this](std::string_view any) {
            return at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos;
        };
        at_ += next_is("-") ? 1 : 0;
        if (next_is("0")) {
            ++at_;
        } else {
            digits();
        }
        if (next_is(".")) {
            ++at_;
            digits();
        }
        if (next_is("eE")) {
            ++at_;
            at_ += next_is("+-") ? 1 : 0;
            digits();
        }
    }

    JsonItem::Kind word() {
        using Kind = JsonItem::Kind;
        constexpr std::pair<std::string_view, Kind> kWords[] = {
            {"true", Kind::True}, {"false", Kind::False}, {"null", Kind::Null}};
        for (const auto& [word, kind] : kWords) {
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                return kind;
            }
        }
        fail(at_ == text_.size() ? "expected a value, got the end" : "expected a value");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<JsonItem> items_{};
};

template <class Integer>
std::optional<Integer> whole_number(const JsonItem& item) {
    Integer value = 0;
    const char* const end = item.text.data() + item.text.size();
    const auto [stop, error] = std::from_chars(item.text.data(), end, value);
    return item.kind == JsonItem::Kind::Number && error == std::errc() && stop == end
               ? std::optional(value)
               : std::nullopt;
}

}  // namespace

std::vector<JsonItem> parse_json(std::string_view text) {
    return Parser(text).document();
}

std::optional<std::int64_t> json_integer(const JsonItem& item) {
    return whole_number<std::int64_t>(item);
}

std::optional<std::uint64_t> json_unsigned(const JsonItem& item) {
    return whole_number<std::uint64_t>(item);
}

}  // namespace drydock
