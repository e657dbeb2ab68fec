// How a client is let in: challenges, tokens, and where credentials may go.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "registry_client.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxToken = std::size_t{64} << 10U;

std::string host_of(const std::string& url) {
    const std::string origin = origin_of(url);
    const std::size_t begin = origin.find("://") + 3;
    return origin.substr(begin, origin.rfind(':') - begin);
}

/// "auth.example.com", or "auth.example.com:8443" where that is not https's own port.
std::string authority_of(const std::string& url) {
    const std::string authority = origin_of(url).substr(std::string("https://").size());
    return authority.ends_with(":443") ? authority.substr(0, authority.rfind(':')) : authority;
}

/// A registry may name a token server of its own domain: registry-1.docker.io sends to
/// auth.docker.io.
bool may_have_credentials(const std::string& registry, const std::string& realm) {
    if (origin_of(registry) == origin_of(realm)) {
        return true;
    }
    if (!origin_of(realm).starts_with("https:")) {
        return false;
    }
    const std::string host = host_of(registry);
    const std::string parent = host.substr(std::min(host.find('.') + 1, host.size()));
    const std::string other = host_of(realm);
    return other == host || (parent.find('.') != std::string::npos &&
                             (other == parent || other.ends_with("." + parent)));
}

}  // namespace

/// @return false when there is nothing to answer the challenge with
bool RegistryClient::authorise(const HttpReply& refusal) {
    const std::string* header = find_header(refusal.headers, "WWW-Authenticate");
    const auto challenge = header != nullptr ? parse_challenge(*header) : std::nullopt;
    if (!challenge) {
        return false;
    }
    if (challenge->scheme == "bearer" && challenge->values.contains("realm")) {
        fetch_token(*challenge);
        return true;
    }
    if (challenge->scheme == "basic" && !credentials_.user.empty()) {
        authorization_ = basic_authorization(credentials_);
        return true;
    }
    return false;
}

std::string RegistryClient::scope_query(const Challenge& challenge) const {
    std::vector<std::string> scopes = scopes_;
    if (!action_.empty()) {
        scopes.insert(scopes.begin(), fmt::format("repository:{}:{}", name_, action_));
    } else if (const auto named = challenge.values.find("scope"); named != challenge.values.end()) {
        scopes.push_back(named->second);
    }
    std::string query;
    for (const std::string& scope : scopes) {
        query += "&scope=" + escape_url(scope);
    }
    return query;
}

/// With an identity token the form of OAuth 2, else the older one.
/// @see distribution/distribution, "Token Authentication Specification", "OAuth2 Token
/// Authentication"
HttpCall RegistryClient::token_call(const Challenge& challenge) const {
    const std::string& realm = challenge.values.at("realm");
    const auto service = challenge.values.find("service");
    const std::string query =
        fmt::format("service={}{}&client_id=drydock",
                    escape_url(service == challenge.values.end() ? "" : service->second),
                    scope_query(challenge));
    const bool may = may_have_credentials(origin_, realm);
    if (may && !credentials_.identity_token.empty()) {
        return {.method = "POST",
                .url = realm,
                .headers = {{.name = "Content-Type", .value = "application/x-www-form-urlencoded"}},
                .body = fmt::format("grant_type=refresh_token&{}&refresh_token={}", query,
                                    escape_url(credentials_.identity_token))};
    }
    HttpCall ask{.url = fmt::format("{}{}{}{}", realm,
                                    realm.find('?') == std::string::npos ? '?' : '&', query,
                                    wants_identity_token_ ? "&offline_token=true" : "")};
    if (may && !credentials_.user.empty()) {
        ask.headers.push_back(
            {.name = "Authorization", .value = basic_authorization(credentials_)});
    }
    return ask;
}

void RegistryClient::fetch_token(const Challenge& challenge) {
    const std::string realm = challenge.values.at("realm");
    if (!origin_of(realm).starts_with("https:") && origin_of(realm) != origin_of(origin_)) {
        throw RegistryError(
            fmt::format("{} sends us to {} for a token: refused, it is not https", origin_, realm),
            401);
    }
    HttpCall ask = token_call(challenge);
    ask.body_limit = kMaxToken;
    ask.tick = tick_;
    ask.trust = origin_of(realm) == origin_of(origin_) ? access_.trust
                                                       : certificates_for(authority_of(realm));
    const std::string before = std::exchange(why_, "a token to come in with");
    const HttpReply reply = tell(ask);
    why_ = before;
    if (reply.status != 200) {
        fail(reply, ask.method);
    }
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    const auto text = [&](const char* key) {
        return body.is_object() && body.contains(key) && body[key].is_string()
                   ? body[key].get<std::string>()
                   : std::string();
    };
    const std::string token = !text("token").empty() ? text("token") : text("access_token");
    if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
        throw RegistryError(fmt::format("{}: the answer holds no token", origin_of(realm)), 401);
    }
    authorization_ = "Bearer " + token;
    identity_token_ = text("refresh_token");
}

std::string RegistryClient::check_login() {
    wants_identity_token_ = !credentials_.user.empty();
    const HttpReply reply = call({.url = origin_ + "/v2/"}, "whether we may come in");
    if (reply.status != 200) {
        fail(reply, "GET");
    }
    // A registry that asks nobody takes any password; so does docker's login.
    return identity_token_;
}

}  // namespace drydock
