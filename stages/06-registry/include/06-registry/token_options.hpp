#pragma once

#include <filesystem>
#include <string>

namespace drydock {

/// Whose Bearer tokens a registry takes: its own, or those of one issuer elsewhere.
/// @see distribution, "Token Authentication Specification"; RFC 7519 (JWT)
struct TokenOptions {
    bool own = false;                ///< GET /token gives them to who is in the htpasswd file
    std::filesystem::path key{};     ///< the public key (PEM) of another issuer
    std::string realm{};             ///< where its tokens are had: a URL
    std::string issuer = "drydock";  ///< "iss" of every token
    std::string service = "drydock-registry";  ///< "aud" of every token: this registry
    /// How long ours last. Short, since they cannot be taken back.
    static constexpr int kLifeSeconds = 300;

    [[nodiscard]] bool used() const { return own || !key.empty(); }
};

}  // namespace drydock
