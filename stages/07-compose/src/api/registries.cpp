// What is asked of registries and has no image here: login, search.
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/reference.hpp"
#include "06-registry/inspect_remote.hpp"
#include "06-registry/login.hpp"
#include "06-registry/progress.hpp"
#include "06-registry/search.hpp"
#include "06-registry/stored_credentials.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "api/registry_auth.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::string member_or_empty(const json& body, const char* key) {
    const auto found = body.find(key);
    return found != body.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The daemon keeps nothing: the client keeps what it sent, or the token of the answer.
void check_login(Call& call) {
    const json body = json_body(call);
    Credentials credentials{.user = member_or_empty(body, "username"),
                            .password = member_or_empty(body, "password")};
    if (const std::string token = member_or_empty(body, "identitytoken"); !token.empty()) {
        credentials = {.identity_token = token};
    }
    try {
        const Credentials kept =
            log_in(registry_domain(member_or_empty(body, "serveraddress")), credentials);
        respond_json(call, 200,
                     {{"Status", "Login Succeeded"}, {"IdentityToken", kept.identity_token}});
    } catch (const RegistryError& e) {
        if (e.status() == 401 || e.status() == 403) {
            respond_error(call.http, 401, e.what());
            return;
        }
        throw;
    }
}

/// "host:5000/web" looks for web at host:5000.
void search(Call& call) {
    const std::string term = call.parameter("term");
    if (term.empty()) {
        throw InputError("term: expected a part of a repository's name");
    }
    constexpr long kMost = 100;
    constexpr long kDefault = 25;
    const long limit = call.number("limit").value_or(kDefault);
    if (limit < 1 || limit > kMost) {
        throw InputError(fmt::format("limit {}: expected 1 to {}", limit, kMost));
    }
    const std::string domain = registry_of_image(term);
    const std::string rest = domain == "docker.io" ? term : term.substr(term.find('/') + 1);
    json found = json::array();
    for (const FoundRepository& repository :
         search_registry(domain, rest, static_cast<std::size_t>(limit),
                         read_registry_auth(call.http.request().header("X-Registry-Auth")))) {
        found.push_back({{"name", repository.name},
                         {"description", repository.description},
                         {"star_count", repository.stars},
                         {"is_official", repository.official},
                         {"is_automated", false}});
    }
    respond_json(call, 200, found);
}

/// What the registry has under that name, without fetching it.
void distribution(Call& call) {
    const Reference name = parse_reference(call.name());
    const RemoteImage image =
        inspect_remote(name, read_registry_auth(call.http.request().header("X-Registry-Auth")));
    json platforms = json::array();
    for (const oci::Platform& platform : image.platforms) {
        platforms.push_back({{"architecture", platform.architecture}, {"os", platform.os}});
        if (!platform.variant.empty()) {
            platforms.back()["variant"] = platform.variant;
        }
    }
    respond_json(call, 200,
                 {{"Descriptor",
                   {{"mediaType", image.manifest.media_type},
                    {"digest", image.manifest.digest.text()},
                    {"size", image.manifest.size}}},
                  {"Platforms", platforms}});
}

constexpr std::array kRegistryRoutes = std::to_array<Route>({
    {"POST", "/auth", check_login},
    {"GET", "/images/search", search},
    {"GET", "/distribution/{*}/json", distribution},
});

}  // namespace

std::span<const Route> registry_routes() {
    return kRegistryRoutes;
}

}  // namespace drydock::api
