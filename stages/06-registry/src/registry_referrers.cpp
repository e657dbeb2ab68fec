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

/// Where a list begins again.
/// @param last as the Link header before had it; empty: at the beginning
Digest after_digest(const std::string& last) {
    return last.empty() ? Digest() : digest_from_request(last);
}

std::string next_referrers(const HttpRequest& request, const std::string& last,
                           const std::optional<std::string>& wanted) {
    return fmt::format("<{}?last={}{}>; rel=\"next\"", request.path, escape_url(last),
                       wanted ? "&artifactType=" + escape_url(*wanted) : "");
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

/// What clients listed by hand, under the tag that stands in for this API where a registry has
/// none: they may have done so before this one had it. Their list is not believed, only followed.
/// @see distribution-spec, "Enabling the Referrers API"
std::set<Digest> Registry::State::referrers_by_tag(const std::string& name,
                                                   const Digest& subject) const {
    std::set<Digest> result;
    const auto list = repositories.tag(name, fmt::format("sha256-{}", subject.hex()));
    const auto type = list ? repositories.manifest_type(name, *list) : std::nullopt;
    if (!type || !media_type::is_index(*type) || !store.contains(*list)) {
        return result;
    }
    for (const oci::Descriptor& entry :
         parse_index(store.read(*list, kMaxManifestSize), *type, "referrers").manifests) {
        if (repositories.manifest_type(name, entry.digest) && store.contains(entry.digest) &&
            subject_of(store.read(entry.digest, kMaxManifestSize)) == subject) {
            result.insert(entry.digest);
        }
    }
    return result;
}

/// @return null when it is not of the wanted type, or is gone
json Registry::State::referrer_entry(const std::string& name, const Digest& digest,
                                     const std::optional<std::string>& wanted) const {
    const auto media = repositories.manifest_type(name, digest);
    if (!media || !store.contains(digest)) {
        return nullptr;
    }
    const std::string text = store.read(digest, kMaxManifestSize);
    const json manifest = json::parse(text, nullptr, false);
    const std::string type = artifact_type_of(manifest);
    if (wanted && *wanted != type) {
        return nullptr;
    }
    json entry = {{"mediaType", *media}, {"digest", digest.text()}, {"size", text.size()}};
    if (!type.empty()) {  // an index may have none, and is then listed without
        entry["artifactType"] = type;
    }
    if (manifest.contains("annotations")) {
        entry["annotations"] = manifest["annotations"];
    }
    return entry;
}

// [region: referrers-of]
void Registry::State::list_referrers(HttpExchange& exchange, const Route& route) {
    const Digest subject = digest_from_request(route.reference);
    const HttpRequest& request = exchange.request();
    const auto wanted = request.parameter("artifactType");
    const std::string last = request.parameter("last").value_or("");
    std::set<Digest> all = referrers_by_tag(route.name, subject);
    all.merge(repositories.referrers(route.name, subject));
    HttpHeaders headers = {{.name = "Content-Type", .value = std::string(media_type::kOciIndex)}};
    json index = {
        {"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", json::array()}};
    std::size_t size = index.dump().size();
    std::string listed;
    for (auto at = all.upper_bound(after_digest(last)); at != all.end(); ++at) {
        const json entry = referrer_entry(route.name, *at, wanted);
        if (entry.is_null()) {
            continue;
        }
        size += entry.dump().size() + 1;
        if (size > kMaxManifestSize &&
            !listed.empty()) {  // a list is a manifest: clients read no more
            headers.push_back({.name = "Link", .value = next_referrers(request, listed, wanted)});
            break;
        }
        listed = at->text();
        index["manifests"].push_back(entry);
    }
    if (wanted) {
        headers.push_back({.name = "OCI-Filters-Applied", .value = "artifactType"});
    }
    // Nobody refers to it, or nobody has heard of it: an empty list, says the spec, not 404.
    exchange.respond(200, headers, index.dump());
}
// [/region]

}  // namespace drydock
