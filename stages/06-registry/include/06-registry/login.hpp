#pragma once

#include <string>

#include "06-registry/auth.hpp"

namespace drydock {

/// Asks the registry whether it lets these credentials in.
/// @param domain as in Reference: "docker.io", "127.0.0.1:5000"
/// @return what to keep: the same, or an identity token instead of them, where there is one
/// @throws RegistryError 401 when it does not
Credentials log_in(const std::string& domain, const Credentials& credentials);

}  // namespace drydock
