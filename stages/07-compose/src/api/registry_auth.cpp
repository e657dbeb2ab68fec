#include "api/registry_auth.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "06-registry/base64.hpp"

namespace drydock::api {
namespace {

nlohmann::json decoded_header(std::string_view header) {
    return nlohmann::json::parse(from_base64(header).value_or(""), nullptr, false);
}

Credentials credentials_of(const nlohmann::json& object) {
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

}  // namespace

Credentials read_registry_auth(std::string_view header) {
    return credentials_of(decoded_header(header));
}

Credentials read_registry_config(std::string_view header, const std::string& domain) {
    const nlohmann::json registries = decoded_header(header);
    const char* const hub = "https://index.docker.io/v1/";  // as docker's config.json calls it
    const auto found = registries.find(domain == "docker.io" ? hub : domain);
    return registries.is_object() && found != registries.end() ? credentials_of(*found)
                                                               : Credentials{};
}

}  // namespace drydock::api
