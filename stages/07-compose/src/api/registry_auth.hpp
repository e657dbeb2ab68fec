#pragma once

#include <string>
#include <string_view>

#include "06-registry/auth.hpp"

namespace drydock::api {

/// The value of X-Registry-Auth: base64 (either alphabet, padded or not) of
/// {"username":…,"password":…} or {"identitytoken":…}. What is no such thing is nobody: docker
/// pulls anonymously then.
Credentials read_registry_auth(std::string_view header);

/// The credentials for one registry in the value of X-Registry-Config: base64 of
/// {"REGISTRY": {"username":…,"password":…}, …}, with which clients come to a build.
/// @param domain as in Reference: "docker.io", "127.0.0.1:5000"
Credentials read_registry_config(std::string_view header, const std::string& domain);

}  // namespace drydock::api
