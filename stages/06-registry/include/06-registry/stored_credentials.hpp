#pragma once

#include <string>

#include "06-registry/auth.hpp"

namespace drydock {

/// What `docker login` left for a registry in $DOCKER_CONFIG/config.json or ~/.docker/config.json:
/// in "auths", or with the program that "credHelpers" or "credsStore" names
/// (docker-credential-NAME in PATH). Anonymous when there is nothing.
/// @param domain as in Reference: "docker.io", "127.0.0.1:5000"
/// @throws InputError for a config.json that cannot be read, and for a helper that is not there or
/// fails otherwise than by not knowing the registry
Credentials stored_credentials(const std::string& domain);

}  // namespace drydock
