#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "06-registry/http.hpp"
#include "06-registry/url.hpp"

namespace drydock {

/// Whom a client believes, beside the authorities that the system trusts.
struct HttpTrust {
    bool verify = true;         ///< false: any certificate will do
    std::string ca_file{};      ///< PEM; instead of the system's authorities
    std::string certificate{};  ///< of our own, PEM
    std::string key{};          ///< of that certificate
};

struct HttpReply;

/// One request of ours.
struct HttpCall {
    std::string method = "GET";
    std::string url{};  ///< http:// or https://
    HttpHeaders headers{};
    std::string body{};
    int upload_fd = -1;               ///< instead of `body`: `upload_size` bytes of this file…
    std::uint64_t upload_offset = 0;  ///< …from here on
    std::uint64_t upload_size = 0;
    /// Instead of a file: puts the next of `upload_size` bytes there, at least one. Such a call
    /// cannot begin anew when a connection that was kept turns out to be closed.
    std::function<std::size_t(std::span<char>)> source{};
    std::function<void(std::uint64_t)> uploaded{};  ///< gets how many bytes of it were sent so far
    /// Told status and headers of a 2xx response, before the first byte for `sink`.
    std::function<void(const HttpReply&)> head{};
    /// Takes the body of a 2xx response as it comes; without it, and for every other status, it is
    /// in HttpReply::body. An exception from it, or from `uploaded`, ends the call and comes out of
    /// it.
    std::function<void(std::string_view)> sink{};
    /// Called about once a second, also when nothing comes: an exception from it ends the call.
    std::function<void()> tick{};
    std::size_t body_limit = std::size_t{4} << 20U;  ///< bytes of HttpReply::body
    HttpTrust trust{};
    /// Asked about the address of every connection, also of redirects, before it is made: false
    /// refuses it. What a name means is looked up once, and that address is the one connected to.
    std::function<bool(const std::string& address)> may_connect{};
};

struct HttpReply {
    int status = 0;
    HttpHeaders headers{};
    std::string body{};
    std::string url{};  ///< where it came from, after redirects
};

/// No response: nothing listens, no such host, a certificate that does not fit, a stall. The text
/// names host and port.
class HttpUnreachable : public std::runtime_error {
  public:
    enum class Kind { NoConnection, NoTrust, Cut };  ///< Cut: it broke off after it was connected
    explicit HttpUnreachable(const std::string& what, Kind kind = Kind::NoConnection)
        : std::runtime_error(what), kind_(kind) {}

    [[nodiscard]] Kind kind() const noexcept { return kind_; }

  private:
    Kind kind_;
};

/// Keeps connections open from call to call; for one thread. TLS certificates are verified; proxies
/// are taken from the environment, as curl does it.
class HttpClient {
  public:
    HttpClient();
    ~HttpClient();
    HttpClient(HttpClient&&) noexcept;
    HttpClient& operator=(HttpClient&&) noexcept;
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Redirects of GET and HEAD are followed, at most five, never from https to http; to another
    /// origin (scheme, host, port) without the Authorization header.
    /// @throws HttpUnreachable; InputError for a body beyond its limit
    HttpReply call(const HttpCall& call);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
