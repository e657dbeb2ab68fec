#include "api/registry_auth.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace drydock::api {
namespace {

/// The six bits a character of base64 stands for, in the plain or the URL alphabet; -1 for another
/// character.
int bits_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    std::string bytes;
    std::uint32_t pending = 0;
    int pending_bits = 0;
    for (const char c : text) {
        const int bits = bits_of(c);
        if (bits < 0) {
            return std::nullopt;
        }
        pending = (pending << 6U) | static_cast<std::uint32_t>(bits);
        pending_bits += 6;
        if (pending_bits >= 8) {
            pending_bits -= 8;
            bytes += static_cast<char>((pending >> static_cast<unsigned>(pending_bits)) & 0xFFU);
        }
    }
    return bytes;
}

}  // namespace

Credentials read_registry_auth(std::string_view header) {
    const auto decoded = decode_base64(header);
    const auto object = nlohmann::json::parse(decoded.value_or(""), nullptr, false);
    if (!object.is_object()) {
        return {};
    }
    const auto text = [&](const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
    };
    return {.user = text("username"), .password = text("password")};
}

}  // namespace drydock::api
