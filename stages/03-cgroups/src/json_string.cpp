#include "json_string.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace drydock {
namespace {

/// The value of four hexadecimal digits, or -1.
int hexadecimal(std::string_view digits) {
    int value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    const bool good = digits.size() == 4 && error == std::errc() &&
                      end == digits.data() + digits.size() && digits.front() != '-';
    return good ? value : -1;
}

constexpr bool is_high_surrogate(int unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}
constexpr bool is_low_surrogate(int unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

void append_utf8(std::string& text, std::uint32_t character) {
    const auto put = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xc0U | character >> 6U);
        put(0x80U | (character & 0x3fU));
    } else if (character < 0x10000) {
        put(0xe0U | character >> 12U);
        put(0x80U | (character >> 6U & 0x3fU));
        put(0x80U | (character & 0x3fU));
    } else {
        put(0xf0U | character >> 18U);
        put(0x80U | (character >> 12U & 0x3fU));
        put(0x80U | (character >> 6U & 0x3fU));
        put(0x80U | (character & 0x3fU));
    }
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first >= 0xc2 && first <= 0xdf) {
        return follows(1) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
        const unsigned high = first == 0xed ? 0x9f : 0xbf;  // no surrogates
        return follows(1, low, high) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned low = first == 0xf0 ? 0x90 : 0x80;
        const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
        return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

std::size_t json_escape_length(std::string_view text) {
    const char which = text.size() > 1 ? text[1] : '\0';
    if (which != 'u') {
        return which != '\0' && std::string_view("\"\\/bfnrt").find(which) != std::string_view::npos
                   ? 2
                   : 0;
    }
    const int unit = hexadecimal(text.substr(2, 4));
    if (unit < 0 || is_low_surrogate(unit)) {
        return 0;
    }
    if (!is_high_surrogate(unit)) {
        return 6;
    }
    const std::string_view second = text.substr(6, 6);
    return second.starts_with("\\u") && is_low_surrogate(hexadecimal(second.substr(2))) ? 12 : 0;
}

std::string decoded_json(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            result += text[i];
            continue;
        }
        const char which = text[++i];
        constexpr std::string_view kLetters = "bfnrt";
        constexpr std::string_view kMeanings = "\b\f\n\r\t";
        if (which == 'u') {
            auto character = static_cast<std::uint32_t>(hexadecimal(text.substr(i + 1, 4)));
            i += 4;
            if (is_high_surrogate(static_cast<int>(character))) {
                const auto low = static_cast<std::uint32_t>(hexadecimal(text.substr(i + 3, 4)));
                character = 0x10000U + ((character - 0xd800U) << 10U) + (low - 0xdc00U);
                i += 6;
            }
            append_utf8(result, character);
        } else if (const auto letter = kLetters.find(which); letter != std::string_view::npos) {
            result += kMeanings[letter];
        } else {
            result += which;
        }
    }
    return result;
}

}  // namespace drydock
