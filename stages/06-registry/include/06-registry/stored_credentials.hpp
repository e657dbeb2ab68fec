#pragma once

#include <filesystem>
#include <string>

#include "06-registry/auth.hpp"

namespace drydock {

// What `docker login` and `drydock login` keep in $DOCKER_CONFIG/config.json or
// ~/.docker/config.json: in "auths", or with the program that "credHelpers" or "credsStore" names
// (docker-credential-NAME in PATH, asked on its stdin). `domain` is as in Reference: "docker.io",
// "127.0.0.1:5000". All throw InputError for a config.json that cannot be read, and for a helper
// that is not there or fails otherwise than by not knowing the registry.

/// What is kept for a registry; anonymous when there is nothing.
Credentials stored_credentials(const std::string& domain);

/// The value of X-Registry-Config, with which a client hands a daemon that builds the credentials
/// for all registries it knows any for; empty when there are none. What cannot be had of one
/// registry, as its helper fails, is left out.
std::string registry_config_header();

/// Keeps them. The file is mode 0600 afterwards, and what else is in it stays.
/// @return the file, when they lie there for who can read it; empty when a helper has them
std::filesystem::path store_credentials(const std::string& domain, const Credentials& credentials);

/// @return false when nothing was kept
bool erase_credentials(const std::string& domain);

/// The registry that a person means: "https://host:5000/v2/" is host:5000, nothing is docker.io.
std::string registry_domain(const std::string& server);
/// The registry in the name of an image: "host:5000/a/b:1" is host:5000, "a/b" is docker.io.
std::string registry_of_image(const std::string& image);

/// The value of X-Registry-Auth, with which a client hands credentials to a daemon; empty for
/// anonymous ones.
std::string registry_auth_header(const Credentials& credentials, const std::string& domain);

}  // namespace drydock
