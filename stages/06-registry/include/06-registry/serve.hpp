#pragma once

#include <functional>
#include <string>

#include "06-registry/registry.hpp"

namespace drydock {

struct ServeOptions {
    std::string listen = "127.0.0.1:5000";  ///< as HttpServerOptions::listen
    RegistryOptions registry{};
    bool insecure_any_address = false;  ///< let anybody in from anywhere
};

/// Serves a registry until SIGINT or SIGTERM.
/// @param listening is told the address, with the real port
/// @throws InputError also for an address that others can reach when nobody has to log in
void serve_registry(const ServeOptions& options,
                    const std::function<void(const std::string& address)>& listening);

}  // namespace drydock
