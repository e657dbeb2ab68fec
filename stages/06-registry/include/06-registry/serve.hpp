#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "06-registry/registry.hpp"

namespace drydock {

struct ServeOptions {
    std::string listen = "127.0.0.1:5000";  ///< as HttpServerOptions::listen
    RegistryOptions registry{};
    RegistryGarbageOptions garbage{};
    std::chrono::seconds gc_interval{std::chrono::hours(24)};  ///< 0: only at SIGUSR1
    bool insecure_any_address = false;                         ///< let anybody in from anywhere
    std::filesystem::path tls_certificate{};  ///< PEM; with it the server speaks TLS only
    std::filesystem::path tls_key{};
    bool tls_self_signed = false;         ///< a certificate of its own, in ROOT/tls
    std::filesystem::path request_log{};  ///< a JSON line a request; "-": stderr; empty: none
};

/// Serves a registry until SIGINT or SIGTERM; SIGUSR1 collects garbage at once.
/// @param listening is told the address, with the real port
/// @throws InputError also for an address that others can reach when nobody has to log in
void serve_registry(const ServeOptions& options,
                    const std::function<void(const std::string& address)>& listening);

}  // namespace drydock
