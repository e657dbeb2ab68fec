#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace drydock {

/// What a person gives to log in. Nothing in it: anonymous.
struct Credentials {
    std::string user{};
    std::string password{};
    std::string identity_token{};  ///< instead of both: what a token server gave at login

    [[nodiscard]] bool anonymous() const noexcept { return user.empty() && identity_token.empty(); }
};

/// The header value "Basic …" for them.
/// @see RFC 7617
std::string basic_authorization(const Credentials& credentials);
/// What such a value says; nothing when it is not one.
std::optional<Credentials> parse_basic_authorization(std::string_view value);

/// What a registry asks for in WWW-Authenticate.
/// @see RFC 9110, 11.6.1
struct Challenge {
    std::string scheme{};  ///< lower case: "basic", "bearer"
    std::map<std::string, std::string>
        values{};  ///< "realm", "service", "scope", …; keys in lower case
};
/// The first challenge of the header value; nothing when it is none.
std::optional<Challenge> parse_challenge(std::string_view value);

/// Who may come in: lines "user:hash" as `htpasswd -B` writes them (bcrypt only).
class HtpasswdFile {
  public:
    /// @throws InputError naming the line that is something else
    explicit HtpasswdFile(const std::filesystem::path& path);

    /// From any thread. A right answer is remembered (hashed): bcrypt is slow on purpose, and a
    /// push asks often.
    bool allows(const Credentials& credentials);

  private:
    std::map<std::string, std::string, std::less<>> hashes_{};
    std::string key_{};  ///< random, so that what is remembered is of no use outside this process
    std::mutex mutex_{};
    std::set<std::string> remembered_{};
};

}  // namespace drydock
