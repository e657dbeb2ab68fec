#include "quoted.hpp"

#include <fmt/format.h>

namespace drydock {

std::string in_quotes(std::string_view text) {
    constexpr std::size_t kLongest = 300;
    std::string result = "\"";
    for (const char c : text.substr(0, kLongest)) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            result += c;
        }
    }
    return result + (text.size() > kLongest ? "…\"" : "\"");
}

}  // namespace drydock
