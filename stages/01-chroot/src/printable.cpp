#include "01-chroot/printable.hpp"

#include <fmt/format.h>

namespace drydock {
namespace {

/// How many bytes the control character at the front of `text` has; 0: there is none.
std::size_t control_character(std::string_view text, bool keep_lines) {
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte == '\t' || (keep_lines && byte == '\n')) {
        return 0;
    }
    if (byte < 0x20 || byte == 0x7f) {
        return 1;
    }
    // U+0080 to U+009F, of which U+009B begins what ESC [ does.
    const bool c1 = byte == 0xc2 && text.size() > 1 && static_cast<unsigned char>(text[1]) < 0xa0;
    return c1 ? 2 : 0;
}

}  // namespace

std::string printable(std::string_view text, bool keep_lines) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = control_character(text, keep_lines);
        if (length == 0) {
            result += text[0];
        } else {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[length - 1]));
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

}  // namespace drydock
