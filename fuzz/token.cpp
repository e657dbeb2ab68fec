// Bearer tokens: none that the key has not signed, one spelling for each value. And the patterns of
// rules.
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "access_rules.hpp"
#include "json_web_token.hpp"
#include "oracle.hpp"

namespace {

const drydock::TokenKey& key() {
    static const drydock::TokenKey made = [] {
        const auto directory = std::filesystem::temp_directory_path() / "drydock-fuzz-token";
        return drydock::TokenKey::own(directory);
    }();
    return made;
}

/// With a way back at each star: what the quick one must not be.
bool fits(std::string_view pattern, std::string_view name) {
    if (pattern.empty()) {
        return name.empty();
    }
    if (pattern.front() != '*') {
        return !name.empty() && name.front() == pattern.front() &&
               fits(pattern.substr(1), name.substr(1));
    }
    const bool any = pattern.size() > 1 && pattern[1] == '*';
    for (std::size_t i = 0; i <= name.size(); ++i) {
        if (fits(pattern.substr(any ? 2 : 1), name.substr(i))) {
            return true;
        }
        if (i < name.size() && name[i] == '/' && !any) {
            return false;
        }
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string good = drydock::make_token(key(), {{"sub", "ann"}});
    try {
        static_cast<void>(drydock::signed_claims(key(), input));
        HOLDS(input == good);
    } catch (const drydock::TokenRefused& refused) {
        HOLDS(refused.what()[0] != '\0');
    }
    // A good token with one byte of it changed is another.
    if (size >= 2) {
        std::string changed = good;
        const std::size_t place = data[0] % changed.size();
        changed[place] = static_cast<char>(data[1]);
        try {
            static_cast<void>(drydock::signed_claims(key(), changed));
            HOLDS(changed == good);
        } catch (const drydock::TokenRefused& refused) {
            HOLDS(changed != good);
        }
    }
    try {
        HOLDS(drydock::encode_base64url(drydock::decode_base64url(input)) == input);
    } catch (const drydock::TokenRefused& refused) {
        HOLDS(refused.what()[0] != '\0');
    }
    HOLDS(drydock::decode_base64url(drydock::encode_base64url(input)) == input);
    const std::size_t space = input.find(' ');
    if (space != std::string_view::npos && size <= 24) {
        const std::string_view pattern = input.substr(0, space);
        const std::string_view name = input.substr(space + 1);
        HOLDS(drydock::matches_repositories(pattern, name) == fits(pattern, name));
    }
    return 0;
}
