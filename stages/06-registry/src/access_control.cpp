#include "access_control.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/state.hpp"

#include "registry_error.hpp"
#include "registry_route.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr std::int64_t kLeeway = 60;  // seconds that two machines' clocks may differ

std::int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::optional<std::string_view> bearer_token(const HttpRequest& request) {
    const std::string_view value = request.header("Authorization");
    constexpr std::string_view kScheme = "bearer";
    if (!same_letters(value.substr(0, kScheme.size()), kScheme) ||
        (value.size() > kScheme.size() && value[kScheme.size()] != ' ')) {
        return std::nullopt;
    }
    return value.substr(std::min(value.size(), kScheme.size() + 1));
}

std::int64_t time_claim(const json& claims, const char* key, std::int64_t otherwise) {
    const auto found = claims.find(key);
    if (found == claims.end()) {
        return otherwise;
    }
    if (!found->is_number()) {
        throw TokenRefused(fmt::format("\"{}\" is no number", key));
    }
    constexpr double kFarAway = 1e15;
    return static_cast<std::int64_t>(std::clamp(found->get<double>(), -kFarAway, kFarAway));
}

// [region: expect-claims]
/// For us, from whom we believe, now.
/// @see RFC 7519, 4.1
void expect_claims(const json& claims, const TokenOptions& expected) {
    if (claims.value("iss", json()) != expected.issuer) {
        throw TokenRefused("of another issuer");
    }
    const json audience = claims.value("aud", json());
    const bool for_us = audience == expected.service ||
                        (audience.is_array() &&
                         std::ranges::find(audience, json(expected.service)) != audience.end());
    if (!for_us) {
        throw TokenRefused("for somebody else");
    }
    const std::int64_t now = unix_now();
    if (!claims.contains("exp") || time_claim(claims, "exp", 0) + kLeeway <= now) {
        throw TokenRefused("expired");
    }
    if (time_claim(claims, "nbf", now) - kLeeway > now) {
        throw TokenRefused("not valid yet");
    }
}
// [/region]

void read_grant(const json& grant, Visitor& visitor) {
    const auto text = [&](const char* key) {
        const json value = grant.is_object() ? grant.value(key, json()) : json();
        return value.is_string() ? value.get<std::string>() : "";
    };
    const json actions = grant.is_object() ? grant.value("actions", json::array()) : json::array();
    for (const json& action : actions) {
        const unsigned named = action.is_string() ? action_named(action.get<std::string>()) : 0;
        if (text("type") == "repository") {
            visitor.granted[text("name")] |= named;
        } else if (text("type") == "registry" && text("name") == "catalog") {
            visitor.may_list = visitor.may_list || named == kEverything;
        }
    }
}

/// "repository:team/app:pull,push": what a token is asked for.
struct Scope {
    std::string type{};
    std::string name{};
    unsigned actions = kNothing;
};

Scope parse_scope(const std::string& text) {
    const std::size_t first = text.find(':');
    const std::size_t last = text.rfind(':');
    if (first == last) {
        return {};
    }
    Scope scope{.type = text.substr(0, first), .name = text.substr(first + 1, last - first - 1)};
    std::istringstream words(text.substr(last + 1));
    for (std::string word; std::getline(words, word, ',');) {
        scope.actions |= action_named(word);
    }
    return scope;
}

/// Those of a request: several parameters, or several in one, with spaces between.
std::vector<Scope> scopes_of(const HttpRequest& request) {
    std::vector<Scope> scopes;
    const auto [begin, end] = request.query.equal_range("scope");
    for (auto at = begin; at != end; ++at) {
        std::string text = at->second;
        std::ranges::replace(text, '+', ' ');  // a form's way to write one
        std::istringstream words(text);
        for (std::string word; words >> word;) {
            scopes.push_back(parse_scope(word));
        }
    }
    return scopes;
}

std::string random_token_id() {
    std::array<unsigned char, 16> bytes{};
    check(::getrandom(bytes.data(), bytes.size(), 0), "getrandom({})", bytes.size());
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace

AccessControl::AccessControl(const RegistryOptions& options)
    : tokens_(options.tokens), gives_tokens_(options.tokens.own), encrypted_(options.encrypted) {
    const TokenOptions& tokens = options.tokens;
    if (tokens.own && options.htpasswd.empty()) {
        throw InputError("--token-auth: expected --htpasswd too: who is to get tokens");
    }
    if (!tokens.key.empty() && (tokens.own || !options.htpasswd.empty())) {
        throw InputError(
            "--token-key: somebody else says who comes in; not together with --token-auth or "
            "--htpasswd");
    }
    if (!tokens.key.empty() && tokens.realm.empty()) {
        throw InputError("--token-key: expected --token-realm too: the URL where tokens are had");
    }
    if (!options.access.empty() && options.htpasswd.empty()) {
        throw InputError("--access: expected --htpasswd too: who the users are");
    }
    if (!options.htpasswd.empty()) {
        users_.emplace(options.htpasswd);
    }
    if (!options.access.empty()) {
        rules_.emplace(options.access);
    }
    if (tokens.own) {
        key_.emplace(TokenKey::own(options.root / "token"));
    } else if (!tokens.key.empty()) {
        key_.emplace(TokenKey::read(tokens.key));
    }
}

/// Ours is at the address by which the client reached us.
std::string AccessControl::realm(const HttpRequest& request) const {
    if (!tokens_.realm.empty()) {
        return tokens_.realm;
    }
    const std::string_view host = request.header("Host");
    if (host.empty() ||
        host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789.-_:[]") != std::string_view::npos) {
        throw registry_refusal(400, "UNSUPPORTED", "Host: expected a name or an address");
    }
    return fmt::format("{}://{}/token", encrypted_ ? "https" : "http", host);
}

HttpError AccessControl::unauthorized(const HttpRequest& request, std::string_view message,
                                      const std::string& scope, std::string_view error) const {
    std::string challenge = "Basic realm=\"Drydock registry\"";
    if (key_) {
        challenge =
            fmt::format("Bearer realm=\"{}\",service=\"{}\"", realm(request), tokens_.service);
        challenge += scope.empty() ? "" : fmt::format(",scope=\"{}\"", scope);
        challenge += error.empty() ? "" : fmt::format(",error=\"{}\"", error);
    }
    return registry_refusal(401, error == "insufficient_scope" ? "DENIED" : "UNAUTHORIZED", message,
                            {{.name = "WWW-Authenticate", .value = challenge}});
}

Visitor AccessControl::by_password(const HttpRequest& request) {
    const auto credentials = parse_basic_authorization(request.header("Authorization"));
    if (!users_ || !credentials || !users_->allows(*credentials)) {
        throw unauthorized(request, "authentication required");
    }
    return {.user = credentials->user, .may_list = true};
}

Visitor AccessControl::by_token(const HttpRequest& request, std::string_view token) const {
    try {
        const json claims = signed_claims(*key_, token);
        expect_claims(claims, tokens_);
        Visitor visitor{.by_token = true};
        const json subject = claims.value("sub", json());
        visitor.user = subject.is_string() ? subject.get<std::string>() : "";
        const json access = claims.value("access", json::array());
        if (!access.is_array()) {
            throw TokenRefused("\"access\" is no list");
        }
        for (const json& grant : access) {
            read_grant(grant, visitor);
        }
        return visitor;
    } catch (const TokenRefused&) {  // why is nothing for who tries
        throw unauthorized(request, "authentication required", {}, "invalid_token");
    }
}

Visitor AccessControl::admit(const HttpRequest& request) {
    if (open()) {
        return {.may_list = true};
    }
    if (const auto token = bearer_token(request); token && key_) {
        return by_token(request, *token);
    }
    const bool says_nothing = request.header("Authorization").empty();
    // Who may pull without logging in does so; only /v2/ itself always asks, so that a client which
    // has a password learns that it may be of use.
    const bool asks = request.path == "/v2/" || request.path == "/v2";
    if (says_nothing && rules_ && rules_->knows_anonymous() && !asks) {
        return {};
    }
    return by_password(request);
}

bool AccessControl::may(const Visitor& visitor, std::string_view repository,
                        unsigned actions) const {
    if (visitor.by_token) {
        const auto found = visitor.granted.find(repository);
        return found != visitor.granted.end() && (found->second & actions) == actions;
    }
    return !rules_ || (rules_->allowed(visitor.user, repository) & actions) == actions;
}

void AccessControl::expect(const Visitor& visitor, const HttpRequest& request,
                           const std::string& repository, unsigned actions) const {
    if (may(visitor, repository, actions)) {
        return;
    }
    constexpr const char* kDenied = "requested access to the resource is denied";
    const std::string scope = fmt::format("repository:{}:{}", repository,
                                          actions == kPush ? "pull,push" : actions_text(actions));
    if (visitor.by_token) {
        throw unauthorized(request, kDenied, scope, "insufficient_scope");
    }
    if (visitor.user.empty()) {
        throw unauthorized(request, "authentication required", scope);
    }
    throw registry_refusal(403, "DENIED", kDenied);
}

void AccessControl::expect_list(const Visitor& visitor, const HttpRequest& request) const {
    if (!visitor.may_list) {
        throw unauthorized(request, "authentication required", "registry:catalog:*",
                           visitor.by_token ? "insufficient_scope" : "");
    }
}

/// Asked for more than is allowed, it gives what is allowed: the registry says the rest.
json AccessControl::granted(const HttpRequest& request, const Visitor& visitor) const {
    json access = json::array();
    for (const Scope& scope : scopes_of(request)) {
        json actions = json::array();
        if (scope.type == "repository" && is_repository_name(scope.name)) {
            for (const unsigned action : {kPull, kPush, kDelete}) {
                if ((scope.actions & action) != 0 && may(visitor, scope.name, action)) {
                    actions.push_back(actions_text(action));
                }
            }
        } else if (scope.type == "registry" && scope.name == "catalog" && visitor.may_list) {
            actions.push_back("*");
        }
        if (!actions.empty()) {
            access.push_back({{"type", scope.type}, {"name", scope.name}, {"actions", actions}});
        }
    }
    return access;
}

// [region: give-token]
void AccessControl::give_token(HttpExchange& exchange) {
    const HttpRequest& request = exchange.request();
    if (request.method != "GET") {
        throw registry_refusal(405, "UNSUPPORTED", "tokens are had by GET");
    }
    Visitor visitor;
    if (!request.header("Authorization").empty() || !rules_ || !rules_->knows_anonymous()) {
        const auto credentials = parse_basic_authorization(request.header("Authorization"));
        if (!credentials || !users_->allows(*credentials)) {
            throw registry_refusal(
                401, "UNAUTHORIZED", "authentication required",
                {{.name = "WWW-Authenticate", .value = "Basic realm=\"Drydock registry\""}});
        }
        visitor = {.user = credentials->user, .may_list = true};
    }
    const json access = granted(request, visitor);
    const std::int64_t now = unix_now();
    const std::string token = make_token(*key_, {{"iss", tokens_.issuer},
                                                 {"aud", tokens_.service},
                                                 {"sub", visitor.user},
                                                 {"iat", now},
                                                 {"nbf", now},
                                                 {"exp", now + TokenOptions::kLifeSeconds},
                                                 {"jti", random_token_id()},
                                                 {"access", access}});
    const json answer = {{"token", token},
                         {"access_token", token},
                         {"expires_in", TokenOptions::kLifeSeconds},
                         {"issued_at", timestamp()}};
    exchange.respond(200,
                     {{.name = "Content-Type", .value = "application/json"},
                      {.name = "Cache-Control", .value = "no-store"}},
                     answer.dump());
}
// [/region]

}  // namespace drydock
