// WWW-Authenticate and Authorization: what is read is what was written.
#include <string>
#include <string_view>

#include "06-registry/auth.hpp"

#include "oracle.hpp"

namespace {

std::string written(const drydock::Challenge& challenge) {
    std::string text = challenge.scheme;
    const char* between = " ";
    for (const auto& [key, value] : challenge.values) {
        text += between + key + "=\"";
        for (const char c : value) {
            text += c == '"' || c == '\\' ? "\\" : "";
            text += c;
        }
        text += '"';
        between = ",";
    }
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (const auto challenge = drydock::parse_challenge(input)) {
        HOLDS(!challenge->scheme.empty());
        for (const auto& [key, value] : challenge->values) {
            HOLDS(key.find_first_of(" \t,=") == std::string::npos);
        }
        if (!challenge->values.contains("")) {  // a value without a name cannot be written
            const auto again = drydock::parse_challenge(written(*challenge));
            HOLDS(again && again->scheme == challenge->scheme);
            HOLDS(again->values == challenge->values);
        }
    }
    if (const auto credentials = drydock::parse_basic_authorization(input)) {
        HOLDS(credentials->user.find(':') == std::string::npos);
        const auto again =
            drydock::parse_basic_authorization(drydock::basic_authorization(*credentials));
        HOLDS(again && again->user == credentials->user &&
              again->password == credentials->password);
    }
    return 0;
}
