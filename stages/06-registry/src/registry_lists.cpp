// What a client asks to be listed: tags, repositories, what refers to a manifest.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "05-images/manifest.hpp"

#include "registry_client.hpp"

namespace drydock {
namespace {

/// The target of `<URL>; rel="next"`, or nothing.
std::string next_page(const HttpReply& reply) {
    const std::string* link = find_header(reply.headers, "Link");
    if (link == nullptr || !link->starts_with('<') ||
        link->find("rel=\"next\"") == std::string::npos) {
        return {};
    }
    return resolve_url(reply.url, link->substr(1, link->find('>') - 1));
}

}  // namespace

std::vector<std::string> RegistryClient::list_pages(std::string url, const char* member,
                                                    std::size_t limit, const std::string& why) {
    std::vector<std::string> names;
    while (!url.empty() && names.size() < limit) {
        const HttpReply reply = call({.url = url}, why);
        if (reply.status != 200) {
            fail(reply, "GET");
        }
        const auto body = nlohmann::json::parse(reply.body, nullptr, false);
        if (!body.is_object() || !body.contains(member)) {
            throw RegistryError(fmt::format("{}: expected a list of {}", reply.url, member), 200);
        }
        const std::size_t before = names.size();
        for (const auto& name : body[member]) {
            if (name.is_string()) {
                names.push_back(name.get<std::string>());
            }
        }
        const std::string next = next_page(reply);
        // Its own origin only, and only while it tells anything: else there may be no end.
        url = names.size() > before && !next.empty() && origin_of(next) == origin_of(origin_) ? next
                                                                                              : "";
    }
    names.resize(std::min(names.size(), limit));
    return names;
}

std::vector<std::string> RegistryClient::tags() {
    constexpr std::size_t kMost = 1'000'000;
    return list_pages(url("tags", "list"), "tags", kMost, "its tags");
}

std::vector<std::string> RegistryClient::catalog(std::size_t limit) {
    return list_pages(origin_ + "/v2/_catalog", "repositories", limit,
                      "the repositories of the registry");
}

bool RegistryClient::search(const std::string& term, std::size_t limit,
                            std::vector<FoundRepository>& found) {
    const HttpReply reply =
        call({.url = fmt::format("{}/v1/search?q={}&n={}", origin_, escape_url(term), limit)},
             "whether it has a search of its own");
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    if (reply.status != 200 || !body.is_object() || !body.contains("results") ||
        !body["results"].is_array()) {
        return false;
    }
    for (const auto& result : body["results"]) {
        if (found.size() < limit && result.is_object() && result.contains("name") &&
            result["name"].is_string()) {
            const std::string name = result["name"].get<std::string>();
            found.push_back(
                {.name = reference_.domain == "docker.io" ? name : reference_.domain + "/" + name,
                 .description = result.value("description", ""),
                 .stars = result.value("star_count", 0L),
                 .official = result.value("is_official", false)});
        }
    }
    return true;
}

// [region: referrers]
std::vector<Referrer> RegistryClient::referrers(const Digest& digest,
                                                const std::string& artifact_type) {
    std::string path = digest.text();
    if (!artifact_type.empty()) {
        path += "?artifactType=" + escape_url(artifact_type);
    }
    HttpReply reply =
        call({.url = url("referrers", path), .body_limit = kMaxManifestSize}, "who refers to it");
    bool filtered = find_header(reply.headers, "OCI-Filters-Applied") != nullptr;
    if (reply.status == 404) {
        reply = call({.url = url("manifests", fmt::format("sha256-{}", digest.hex())),
                      .headers = {{.name = "Accept", .value = std::string(media_type::kOciIndex)}},
                      .body_limit = kMaxManifestSize},
                     "who refers to it, for registries without that list");
        filtered = false;
        if (reply.status == 404) {
            return {};
        }
    }
    if (reply.status != 200) {
        fail(reply, "GET");
    }
    const oci::Index index = parse_index(reply.body, media_type::kOciIndex, "referrers");
    const auto parsed = nlohmann::json::parse(reply.body);
    std::vector<Referrer> result;
    for (std::size_t i = 0; i < index.manifests.size(); ++i) {
        Referrer referrer{.manifest = index.manifests[i]};
        const auto& entry = parsed["manifests"][i];
        if (entry.contains("artifactType") && entry["artifactType"].is_string()) {
            referrer.artifact_type = entry["artifactType"].get<std::string>();
        }
        if (filtered || artifact_type.empty() || referrer.artifact_type == artifact_type) {
            result.push_back(std::move(referrer));
        }
    }
    return result;
}
// [/region]

}  // namespace drydock
