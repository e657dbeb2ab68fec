#pragma once

#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/cli/host.hpp"
#include "07-compose/cli/http_request.hpp"

namespace drydock::cli {

/// The daemon has answered "no", in the words it gave.
class EngineError : public std::runtime_error {
  public:
    EngineError(int status, const std::string& message)
        : std::runtime_error(message), status_(status) {}
    /// The HTTP status: 404 no such object, 409 conflict, ...
    [[nodiscard]] int status() const noexcept { return status_; }

  private:
    int status_;
};

/// What a program ends with after such a refusal: 125 for what is not implemented, else 1.
int exit_status_of(const EngineError& error) noexcept;

using Query = std::vector<std::pair<std::string, std::string>>;

/// Speaks the Docker Engine API, version 1.44, with the engine at `host`: Drydock's daemon, or any
/// other. Each call is one request; a status of 400 and above is an EngineError.
class Engine {
  public:
    explicit Engine(Host host) : host_(std::move(host)) {}

    [[nodiscard]] const Host& host() const noexcept { return host_; }

    /// @param registry_auth credentials for a registry (registry_auth_header); empty: none
    [[nodiscard]] nlohmann::json get(const std::string& path, const Query& query = {},
                                     const std::string& registry_auth = {}) const;
    /// @param body JSON text, or "" for none
    /// @return the answer; null when there is none (204, 304)
    nlohmann::json post(const std::string& path, const Query& query = {},
                        const std::string& body = {}) const;
    nlohmann::json remove(const std::string& path, const Query& query = {}) const;

    /// A response that comes in pieces. Its head is there and is no error when this returns.
    [[nodiscard]] Exchange stream(const std::string& method, const std::string& path,
                                  const Query& query = {}, const std::string& body = {},
                                  const std::string& registry_auth = {}) const;
    /// The same with a body that is written piece by piece by `write_body`, which is given the
    /// exchange.
    /// @param method "POST" or "PUT"
    Exchange upload(const std::string& path, const Query& query,
                    const std::function<void(Exchange&)>& write_body,
                    const std::string& method = "POST") const;
    /// upload() of what is to be built.
    /// @param registry_config credentials for the registries of FROM (registry_config_header)
    Exchange upload_build(const std::string& path, const Query& query,
                          const std::function<void(Exchange&)>& write_body,
                          const std::string& registry_config) const;

    /// Whether it answers /_ping.
    [[nodiscard]] bool answers() const;

  private:
    [[nodiscard]] Exchange upload_request(const Request& request,
                                          const std::function<void(Exchange&)>& write_body) const;

    Host host_;
};

/// "/containers/web/json": the parts of a path, each encoded.
std::string path_of(std::initializer_list<std::string_view> parts);

/// Parses the body of an answer.
/// @throws InputError
nlohmann::json parse_answer(const std::string& text);

/// Calls `use` for each JSON object of a stream of them, as it comes.
void for_each_object(Exchange& exchange, const std::function<void(const nlohmann::json&)>& use);

}  // namespace drydock::cli
