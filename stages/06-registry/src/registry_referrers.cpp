#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"

#include "registry_error.hpp"
#include "registry_state.hpp"

namespace drydock {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// What the manifest is: its own artifactType, or else its config's media type.
/// @see distribution-spec, "Listing Referrers"
std::string artifact_type_of(const json& manifest) {
    const std::string own = text_at(manifest, "artifactType");
    const auto config = manifest.find("config");
    return own.empty() && config != manifest.end() && config->is_object()
               ? text_at(*config, "mediaType")
               : own;
}

}  // namespace

std::optional<Digest> subject_of(const std::string& manifest) {
    const json parsed = json::parse(manifest, nullptr, false);
    const auto subject = parsed.find("subject");
    if (!parsed.is_object() || subject == parsed.end()) {
        return std::nullopt;
    }
    try {
        return parse_digest(subject->is_object() ? text_at(*subject, "digest") : "", "subject");
    } catch (const InputError& error) {
        throw registry_refusal(400, "MANIFEST_INVALID", error.what());
    }
}

// [region: referrers-of]
void Registry::State::list_referrers(HttpExchange& exchange, const Route& route) {
    const Digest subject = digest_from_request(route.reference);
    const auto wanted = exchange.request().parameter("artifactType");
    json manifests = json::array();
    for (const Digest& digest : repositories.referrers(route.name, subject)) {
        if (!store.contains(digest)) {
            continue;
        }
        const std::string text = store.read(digest, kMaxManifestSize);
        const json manifest = json::parse(text, nullptr, false);
        const std::string type = artifact_type_of(manifest);
        if (wanted && *wanted != type) {
            continue;
        }
        json entry = {{"mediaType", repositories.manifest_type(route.name, digest).value_or("")},
                      {"digest", digest.text()},
                      {"size", text.size()},
                      {"artifactType", type}};
        if (manifest.contains("annotations")) {
            entry["annotations"] = manifest["annotations"];
        }
        manifests.push_back(std::move(entry));
    }
    HttpHeaders headers = {{.name = "Content-Type", .value = std::string(media_type::kOciIndex)}};
    if (wanted) {
        headers.push_back({.name = "OCI-Filters-Applied", .value = "artifactType"});
    }
    // Nobody refers to it, or nobody has heard of it: an empty list, says the spec, not 404.
    exchange.respond(200, headers,
                     json{{"schemaVersion", 2},
                          {"mediaType", media_type::kOciIndex},
                          {"manifests", std::move(manifests)}}
                         .dump());
}
// [/region]

}  // namespace drydock
