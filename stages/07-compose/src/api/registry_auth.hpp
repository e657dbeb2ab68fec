#pragma once

#include <string_view>

#include "06-registry/auth.hpp"

namespace drydock::api {

/// The value of X-Registry-Auth: base64 (either alphabet, padded or not) of
/// {"username":…,"password":…} or {"identitytoken":…}. What is no such thing is nobody: docker
/// pulls anonymously then.
Credentials read_registry_auth(std::string_view header);

}  // namespace drydock::api
