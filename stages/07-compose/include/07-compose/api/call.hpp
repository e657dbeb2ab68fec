#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "06-registry/http.hpp"
#include "07-compose/engine/engine.hpp"

namespace drydock::api {

/// The newest version of Docker's API that is spoken, 1.44, and the oldest: the numbers behind
/// "1.".
inline constexpr int kNewestVersion = 44;
inline constexpr int kOldestVersion = 12;

/// One request on its way through a handler.
struct Call {
    HttpExchange& http;
    Engine& engine;
    int version = kNewestVersion;      ///< the N of /v1.N/…; the newest without one
    std::string_view what{};           ///< Route::what
    std::vector<std::string> names{};  ///< what the {} and {*} of the route matched

    /// What the first {} matched.
    [[nodiscard]] const std::string& name() const { return names.front(); }
    /// A query parameter; "" when it is not there.
    [[nodiscard]] std::string parameter(std::string_view key) const;
    /// Every value of a query parameter, in order.
    [[nodiscard]] std::vector<std::string> parameters(std::string_view key) const;
    /// Whether it is true in docker's sense (filters.hpp); `absent` when it is not there.
    [[nodiscard]] bool flag(std::string_view key, bool absent = false) const;
    /// A whole number; nothing when it is not there or empty. @throws InputError
    [[nodiscard]] std::optional<long> number(std::string_view key) const;
};

/// The body as JSON, an empty one as an empty object.
/// @throws InputError for what is not strictly one JSON object or comes as another content type;
/// HttpError 413
nlohmann::json json_body(Call& call);

void respond_json(Call& call, int status, const nlohmann::json& body);
/// Nothing but the status: 204, 304.
void respond_empty(Call& call, int status);
/// {"message": …}
void respond_error(HttpExchange& http, int status, std::string_view message);

}  // namespace drydock::api
