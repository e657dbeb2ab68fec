#include "api/registry_auth.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "06-registry/base64.hpp"

namespace drydock::api {
Credentials read_registry_auth(std::string_view header) {
    const auto decoded = from_base64(header);
    const auto object = nlohmann::json::parse(decoded.value_or(""), nullptr, false);
    if (!object.is_object()) {
        return {};
    }
    const auto text = [&](const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
    };
    if (const std::string token = text("identitytoken"); !token.empty()) {
        return {.identity_token = token};
    }
    return {.user = text("username"), .password = text("password")};
}

}  // namespace drydock::api
