#pragma once

#include <optional>
#include <string>
#include <vector>

#include "06-registry/http_client.hpp"

namespace drydock {

/// How a registry is spoken to.
struct RegistryAccess {
    std::vector<std::string> origins{};  ///< tried in this order until one answers; not empty
    HttpTrust trust{};
};

/// What the machine's administrator says about a registry: certificates in
/// certs.d/HOST[:PORT]/{ca.crt, client.cert, client.key}, and "insecure-registries" (names and
/// address ranges, as in docker's daemon.json) of daemon.json. Both are looked for in
/// $DRYDOCK_CONFIG, or else /etc/drydock and then /etc/docker.
///
/// Loopback: http, then https with any certificate. Insecure: https with any certificate, then
/// http. Others: https only.
/// @throws InputError for a daemon.json that cannot be read
RegistryAccess registry_access(const std::string& domain);

/// What certs.d says of a host alone: whom to trust for it, and who we are there.
HttpTrust certificates_for(const std::string& domain);

/// A whole number above 0 of daemon.json, like "max-concurrent-downloads"; nothing when none says
/// it.
/// @throws InputError for a daemon.json that cannot be read, and for anything else there
std::optional<unsigned> daemon_number(const char* key);

}  // namespace drydock
