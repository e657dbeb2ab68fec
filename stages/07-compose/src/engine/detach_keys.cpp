#include "07-compose/engine/detach_keys.hpp"

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMostKeys = 16;

/// The byte of one key; -1 for what is none.
int byte_of(std::string_view key) {
    constexpr std::string_view kControl = "ctrl-";
    if (key.size() == 1) {
        return static_cast<unsigned char>(key.front());
    }
    if (!key.starts_with(kControl) || key.size() != kControl.size() + 1) {
        return -1;
    }
    const char letter = key.back();
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 1;
    }
    // What is below a space is made with these on a keyboard: ctrl-@ is 0, ctrl-[ is 27.
    if (letter == '@' || (letter >= '[' && letter <= '_')) {
        return letter - '@';
    }
    return -1;
}

}  // namespace

std::string parse_detach_keys(std::string_view text) {
    if (text.empty()) {
        return "\x10\x11";
    }
    std::string keys;
    for (std::string_view rest = text;;) {
        const auto comma = rest.find(',');
        const int byte = byte_of(rest.substr(0, comma));
        if (byte < 0 || keys.size() == kMostKeys) {
            throw InputError(
                fmt::format("Invalid detach keys ({}) provided: expected 1 to {} of a "
                            "letter or ctrl-LETTER, with commas between them",
                            text, kMostKeys));
        }
        keys += static_cast<char>(byte);
        if (comma == std::string_view::npos) {
            return keys;
        }
        rest.remove_prefix(comma + 1);
    }
}

}  // namespace drydock
