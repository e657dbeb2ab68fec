#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/cli/host.hpp"
#include "07-compose/cli/http_response.hpp"

namespace drydock::cli {

/// What stands between "?" and the end of a target, each name and value percent-encoded; "" for
/// none.
std::string query_string(const std::vector<std::pair<std::string, std::string>>& parameters);
/// `text` with every byte that is not a letter, a digit or one of "-._~" as %XX, except those in
/// `but_not`.
std::string percent_encoded(std::string_view text, std::string_view but_not = {});

struct Request {
    std::string method = "GET";
    std::string target{};  ///< path and query
    std::string body{};
    std::string content_type = "application/json";  ///< of `body`, when there is one
    std::string registry_auth{};                    ///< X-Registry-Auth; empty: none
    std::string registry_config{};                  ///< X-Registry-Config; empty: none
};

/// One request and its response on a connection of its own. Not reused: on a Unix socket a
/// connection costs some 30 µs, and a stream that is dropped half-way cannot disturb the next
/// request.
class Exchange {
  public:
    /// Connects and sends the whole request.
    Exchange(const Host& host, const Request& request);
    /// Connects and sends all but the body, which comes in pieces by write_body() and ends with
    /// end_body().
    static Exchange upload(const Host& host, const Request& request);

    void write_body(std::string_view bytes);
    void end_body();

    /// Of what was sent as input of a connection that became a command's streams: takes as many of
    /// the bytes as there is room for, without waiting. All of them when nobody reads any more.
    /// @return how many were taken
    std::size_t send_some(std::string_view bytes);
    /// There is no more input.
    void end_input();

    /// Waits for status and header fields.
    /// @throws InputError when the other side speaks no HTTP, or hangs up
    const ResponseHead& head();
    /// What has come of the body: waits for at least one byte. Nothing at its end.
    std::optional<std::string> read_some();
    /// The rest of the body. @throws InputError when it is larger than `limit` bytes
    std::string read_all(std::size_t limit = std::size_t{64} << 20U);

    /// For poll(2): readable when read_some() does not wait. Ask has_buffered() first.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool has_buffered() const noexcept {
        return parser_.has_body() || parser_.complete();
    }

  private:
    explicit Exchange(UniqueFd socket) : socket_(std::move(socket)) {}
    void send(std::string_view bytes);
    void receive();

    UniqueFd socket_{};
    ResponseParser parser_{};
    bool refused_upload_ = false;  ///< the other side has answered and reads no more
};

}  // namespace drydock::cli
