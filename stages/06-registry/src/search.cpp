#include "06-registry/search.hpp"

#include <algorithm>

#include "06-registry/login.hpp"

#include "registry_client.hpp"

namespace drydock {

Credentials log_in(const std::string& domain, const Credentials& credentials) {
    RegistryClient client({.domain = domain}, credentials, "");
    const std::string token = client.check_login();
    return token.empty() ? credentials : Credentials{.identity_token = token};
}

std::vector<FoundRepository> search_registry(const std::string& domain, const std::string& term,
                                             std::size_t limit, const Credentials& credentials) {
    RegistryClient client({.domain = domain}, credentials, "");
    std::vector<FoundRepository> found;
    if (client.search(term, limit, found)) {
        return found;
    }
    constexpr std::size_t kMostLookedAt = 100'000;
    for (const std::string& name : client.catalog(kMostLookedAt)) {
        if (name.find(term) != std::string::npos) {
            found.push_back({.name = domain + "/" + name});
        }
    }
    std::ranges::sort(found, {}, &FoundRepository::name);
    found.resize(std::min(found.size(), limit));
    return found;
}

}  // namespace drydock
