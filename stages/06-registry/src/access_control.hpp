#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "06-registry/auth.hpp"
#include "06-registry/http.hpp"
#include "06-registry/registry.hpp"

#include "access_rules.hpp"
#include "json_web_token.hpp"

namespace drydock {

/// Who asks, as far as we know.
struct Visitor {
    std::string user{};                                      ///< empty: nobody logged in
    bool by_token = false;                                   ///< then `granted` says it all
    std::map<std::string, unsigned, std::less<>> granted{};  ///< repository to actions
    bool may_list = false;                                   ///< all the names of repositories
};

/// Who may come into a registry and do what there: by password (htpasswd), by token, by the rules
/// of a file. From any number of threads.
class AccessControl {
  public:
    /// @throws InputError for files that are not as they should be, and options that do not go
    /// together
    explicit AccessControl(const RegistryOptions& options);

    /// @throws HttpError 401 with what would let them in
    Visitor admit(const HttpRequest& request);
    /// Whether the visitor may do all of `actions` there.
    [[nodiscard]] bool may(const Visitor& visitor, std::string_view repository,
                           unsigned actions) const;
    /// @throws HttpError 401 when logging in, or another token, could help; 403
    void expect(const Visitor& visitor, const HttpRequest& request, const std::string& repository,
                unsigned actions) const;
    /// The same for the catalog.
    void expect_list(const Visitor& visitor, const HttpRequest& request) const;

    /// Whether GET /token is answered here.
    [[nodiscard]] bool gives_tokens() const noexcept { return gives_tokens_; }
    /// Gives a token for those of the scopes that were asked for which the user may have.
    void give_token(HttpExchange& exchange);

  private:
    [[nodiscard]] bool open() const { return !users_ && !key_; }
    [[nodiscard]] nlohmann::json granted(const HttpRequest& request, const Visitor& visitor) const;
    Visitor by_password(const HttpRequest& request);
    [[nodiscard]] Visitor by_token(const HttpRequest& request, std::string_view token) const;
    [[nodiscard]] HttpError unauthorized(const HttpRequest& request, std::string_view message,
                                         const std::string& scope = {},
                                         std::string_view error = {}) const;
    [[nodiscard]] std::string realm(const HttpRequest& request) const;

    std::optional<HtpasswdFile> users_{};
    std::optional<AccessRules> rules_{};
    std::optional<TokenKey> key_{};
    TokenOptions tokens_{};
    bool gives_tokens_ = false;
    bool encrypted_ = false;
};

}  // namespace drydock
