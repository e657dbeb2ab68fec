#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "06-registry/auth.hpp"

namespace drydock {

/// A repository that a search found.
struct FoundRepository {
    std::string name{};         ///< as to be pulled: "127.0.0.1:5000/demo/web"
    std::string description{};  ///< only of a registry that has a search of its own
    long stars = 0;
    bool official = false;
};

/// Repositories of the registry whose names hold `term`, at most `limit`, sorted by name: of its
/// search (docker's API v1), or, where it has none, out of its catalogue.
/// @throws RegistryError
std::vector<FoundRepository> search_registry(const std::string& domain, const std::string& term,
                                             std::size_t limit, const Credentials& credentials);

}  // namespace drydock
