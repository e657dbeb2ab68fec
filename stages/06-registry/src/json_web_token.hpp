#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace drydock {

/// The token is none of ours, or not for us. The text says why, and goes to the log and not to who
/// sent it.
class TokenRefused : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A key, and with it the one algorithm that tokens are signed by: what a token's own header says
/// is compared with it and decides nothing.
/// @see RFC 8725, 3.1
class TokenKey {
  public:
    /// A public key in PEM: RSA from 2048 bits on (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    /// @throws InputError naming the file
    static TokenKey read(const std::filesystem::path& file);
    /// Our own, Ed25519: DIRECTORY/key.pem, made when it is not there, and DIRECTORY/public.pem for
    /// others who are to take our tokens.
    static TokenKey own(const std::filesystem::path& directory);
    ~TokenKey();
    TokenKey(TokenKey&&) noexcept;
    TokenKey& operator=(TokenKey&&) noexcept;
    TokenKey(const TokenKey&) = delete;
    TokenKey& operator=(const TokenKey&) = delete;

    [[nodiscard]] std::string_view algorithm() const noexcept;  ///< as in JWS: "EdDSA"
    /// @pre it is our own
    [[nodiscard]] std::string sign(std::string_view text) const;
    [[nodiscard]] bool signed_by(std::string_view text, std::string_view signature) const;

  private:
    struct Key;
    explicit TokenKey(std::unique_ptr<Key> key);
    std::unique_ptr<Key> key_;
};

/// The claims as a signed token: HEADER.CLAIMS.SIGNATURE, RFC 7515.
std::string make_token(const TokenKey& key, const nlohmann::json& claims);
/// What the token says, its signature checked, its claims not.
/// @throws TokenRefused
nlohmann::json signed_claims(const TokenKey& key, std::string_view token);

std::string encode_base64url(std::string_view bytes);
/// @throws TokenRefused for anything that encode_base64url does not write
std::string decode_base64url(std::string_view text);

}  // namespace drydock
