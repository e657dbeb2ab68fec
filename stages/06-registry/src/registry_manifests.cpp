#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"

#include "registry_error.hpp"
#include "registry_state.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxPage = 1000;

HttpError manifest_unknown() {
    return registry_refusal(404, "MANIFEST_UNKNOWN", "manifest unknown");
}

bool is_digest(std::string_view reference) {
    return reference.find(':') != std::string_view::npos;
}

HttpHeaders json_headers() {
    return {{.name = "Content-Type", .value = "application/json"}};
}

/// The page of `all` (sorted) that `n` and `last` of the request ask for; a Link header to the next
/// one, if any.
std::vector<std::string> page_of(const std::vector<std::string>& all, const HttpRequest& request,
                                 std::size_t limit, HttpHeaders& headers) {
    if (const auto n = request.parameter("n")) {
        std::uint64_t wanted = 0;
        const auto [end, error] = std::from_chars(n->data(), n->data() + n->size(), wanted);
        if (error == std::errc::invalid_argument || end != n->data() + n->size()) {
            throw registry_refusal(400, "UNSUPPORTED", "n: expected a number");
        }
        limit = error == std::errc() ? std::min<std::uint64_t>(wanted, limit) : limit;
    }
    const auto begin = std::ranges::upper_bound(all, request.parameter("last").value_or(""));
    const auto count =
        std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(limit), all.end() - begin);
    std::vector<std::string> page(begin, begin + count);
    if (!page.empty() && begin + count != all.end()) {
        headers.push_back({.name = "Link",
                           .value = fmt::format("<{}?n={}&last={}>; rel=\"next\"", request.path,
                                                limit, escape_url(page.back()))});
    }
    return page;
}

/// A document is what its Content-Type says, and says so itself if it says anything.
std::string type_of_request(const HttpRequest& request) {
    std::string type(request.header("Content-Type"));
    type = type.substr(0, type.find(';'));
    if (!media_type::is_index(type) && !media_type::is_manifest(type)) {
        throw registry_refusal(
            400, "MANIFEST_INVALID",
            fmt::format("Content-Type \"{}\": expected the media type of an OCI or docker manifest "
                        "or index",
                        type));
    }
    return type;
}

}  // namespace

void Registry::State::version(HttpExchange& exchange, const Route& /*route*/) {
    exchange.respond(200, json_headers(), "{}");
}

void Registry::State::get_manifest(HttpExchange& exchange, const Route& route) {
    if (mirror && (is_digest(route.reference) || is_tag(route.reference))) {
        mirror->bring_manifest(route.name, route.reference);
    }
    std::optional<Digest> digest;
    if (is_digest(route.reference)) {
        digest = digest_from_request(route.reference);
    } else if (is_tag(route.reference)) {
        digest = repositories.tag(route.name, route.reference);
    }
    const auto type = digest ? repositories.manifest_type(route.name, *digest) : std::nullopt;
    if (!type || !(mirror ? lease(*digest) : store.contains(*digest))) {
        throw manifest_unknown();
    }
    exchange.respond(200,
                     {{.name = "Content-Type", .value = *type},
                      {.name = "Docker-Content-Digest", .value = digest->text()},
                      {.name = "ETag", .value = fmt::format("\"{}\"", digest->text())}},
                     store.read(*digest, kMaxManifestSize));
}

/// Everything that the manifest names has to be in this repository.
void Registry::State::expect_contents(const std::string& name, const std::string& text,
                                      const std::string& type) const {
    const auto missing = [](const Digest& digest) {
        return registry_refusal(
            404, "MANIFEST_BLOB_UNKNOWN",
            fmt::format("the manifest names {}, which this repository does not have",
                        digest.text()));
    };
    const bool index = media_type::is_index(type);
    for (const oci::Descriptor& part : contents_of(text, type, "manifest")) {
        const bool elsewhere = part.media_type.find("foreign") != std::string::npos ||
                               part.media_type.find("nondistributable") != std::string::npos;
        if (elsewhere && !index) {
            continue;
        }
        const bool named = index ? repositories.manifest_type(name, part.digest).has_value()
                                 : repositories.has_blob(name, part.digest);
        if (!named || !lease(part.digest)) {
            throw missing(part.digest);
        }
        if (!index && store.size(part.digest) != part.size) {
            throw registry_refusal(400, "SIZE_INVALID",
                                   fmt::format("{} has another size", part.digest.text()));
        }
    }
}

// [region: put-manifest]
/// @return what it says it is about
std::optional<Digest> Registry::State::store_manifest(const Route& route, const std::string& text,
                                                      const std::string& type,
                                                      const Digest& digest) {
    const auto pushing = gate.push();  // the collector takes nothing between asking and naming
    expect_contents(route.name, text, type);
    const auto subject = subject_of(text);
    // Blobs, then the manifest, then the tag: whatever moment we end at, each name leads to
    // something whole.
    store.put(text);
    repositories.add_manifest(route.name, digest, type);
    if (subject) {
        repositories.add_referrer(route.name, *subject, digest);
    }
    if (!is_digest(route.reference)) {
        repositories.set_tag(route.name, route.reference, digest);
    }
    return subject;
}
// [/region]

void Registry::State::put_manifest(HttpExchange& exchange, const Route& route) {
    const bool by_digest = is_digest(route.reference);
    if (!by_digest && !is_tag(route.reference)) {
        throw registry_refusal(400, "MANIFEST_INVALID",
                               "invalid tag: expected letters, digits, \"_\", \".\" and \"-\"");
    }
    const std::string type = type_of_request(exchange.request());
    const std::string text = exchange.read_body(kMaxManifestSize);
    const Digest digest = digest_of(text);
    if (by_digest && digest != digest_from_request(route.reference)) {
        throw registry_refusal(400, "DIGEST_INVALID",
                               "provided digest did not match uploaded content");
    }
    std::optional<Digest> subject;
    try {
        subject = store_manifest(route, text, type, digest);
    } catch (const InputError& error) {
        throw registry_refusal(400, "MANIFEST_INVALID", error.what());
    }
    HttpHeaders headers = {{.name = "Location",
                            .value = fmt::format("/v2/{}/manifests/{}", route.name, digest.text())},
                           {.name = "Docker-Content-Digest", .value = digest.text()}};
    if (subject) {  // so that the client need not keep a list of its own
        headers.push_back({.name = "OCI-Subject", .value = subject->text()});
    }
    exchange.respond(201, headers, "");
}

void Registry::State::delete_manifest(HttpExchange& exchange, const Route& route) {
    const bool removed =
        is_digest(route.reference)
            ? repositories.remove_manifest(route.name, digest_from_request(route.reference))
            : is_tag(route.reference) && repositories.remove_tag(route.name, route.reference);
    if (!removed) {
        throw manifest_unknown();
    }
    exchange.respond(202, {}, "");
}

void Registry::State::list_tags(HttpExchange& exchange, const Route& route) {
    if (!repositories.contains(route.name)) {
        throw registry_refusal(404, "NAME_UNKNOWN", "repository name not known to registry");
    }
    HttpHeaders headers = json_headers();
    const bool paged = exchange.request().parameter("n").has_value();
    const std::vector<std::string> all = repositories.tags(route.name);
    const auto page = page_of(all, exchange.request(), paged ? kMaxPage : all.size(), headers);
    exchange.respond(200, headers, nlohmann::json{{"name", route.name}, {"tags", page}}.dump());
}

void Registry::State::list_catalog(HttpExchange& exchange, const Route& route) {
    access.expect_list(*route.visitor, exchange.request());
    HttpHeaders headers = json_headers();
    const bool paged = exchange.request().parameter("n").has_value();
    std::vector<std::string> names = repositories.names();
    std::erase_if(names, [&](const std::string& name) {  // a token for the catalog is for all of it
        return !route.visitor->by_token && !access.may(*route.visitor, name, kPull);
    });
    const auto page = page_of(names, exchange.request(), paged ? kMaxPage : 100, headers);
    exchange.respond(200, headers, nlohmann::json{{"repositories", page}}.dump());
}

}  // namespace drydock
