#include "api/base64.hpp"

namespace drydock::api {

std::string base64(std::string_view bytes) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto byte = [&](std::size_t at) {
            return at < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[at]))
                                     : 0U;
        };
        const unsigned group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
        text += kLetters[group >> 18U];
        text += kLetters[(group >> 12U) & 63U];
        text += i + 1 < bytes.size() ? kLetters[(group >> 6U) & 63U] : '=';
        text += i + 2 < bytes.size() ? kLetters[group & 63U] : '=';
    }
    return text;
}

}  // namespace drydock::api
