#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

struct HttpHeader {
    std::string name{};
    std::string value{};
};
using HttpHeaders = std::vector<HttpHeader>;

/// The value of the first header of that name, in any case of letters; null when there is none.
const std::string* find_header(const HttpHeaders& headers, std::string_view name);

/// Equal but for upper and lower case of ASCII letters.
bool same_letters(std::string_view a, std::string_view b);

/// Who is at the other end.
struct HttpPeer {
    std::string address{};       ///< "127.0.0.1:40312"; "unix" for a Unix socket
    std::optional<uid_t> uid{};  ///< of the process that connected, Unix sockets only (SO_PEERCRED)
    std::optional<pid_t> pid{};
};

struct HttpRequest {
    std::string method{};  ///< upper case as sent: "GET"
    std::string target{};  ///< path and query exactly as sent
    std::string path{};    ///< unescaped once; starts with "/"; holds no NUL
    std::multimap<std::string, std::string, std::less<>>
        query{};  ///< unescaped; a key may come several times
    HttpHeaders headers{};
    int minor_version = 1;                          ///< HTTP/1.x
    std::optional<std::uint64_t> content_length{};  ///< nothing: no body, or a chunked one
    bool chunked = false;
    HttpPeer peer{};

    /// The header's value, or "" when it is not there.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    /// The first value of the query parameter, or nothing when it is not there ("?q" is there and
    /// empty).
    [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

/// "%2F" becomes "/"; '+' stays.
/// @throws HttpError 400 for a broken escape or a NUL
std::string unescape_url(std::string_view text);
/// Everything but letters, digits and "-._~" becomes %XX.
std::string escape_url(std::string_view text);

/// Thrown by a handler that has not answered yet: the server answers with it. Other exceptions
/// become 500.
class HttpError : public std::runtime_error {
  public:
    /// @param body sent as it is, with `headers` (text/plain when they say nothing else)
    HttpError(int status, const std::string& body, HttpHeaders headers = {})
        : std::runtime_error(body), status_(status), headers_(std::move(headers)) {}

    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const HttpHeaders& headers() const noexcept { return headers_; }

  private:
    int status_;
    HttpHeaders headers_;
};

/// The client closed the connection, stalled for too long, or the server is stopping: nothing can
/// be answered any more. A handler lets it pass; the server closes the connection and says nothing.
class ClientGone : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class HttpConnection;

/// A response of unknown length, under way: chunked to HTTP/1.1, ended by close to HTTP/1.0.
/// Destroyed without finish() the connection is cut, so that the client never takes half an answer
/// for a whole one.
class HttpStream {
  public:
    explicit HttpStream(HttpConnection& connection) noexcept : connection_(&connection) {}

    /// Sends, and returns when the kernel has taken it all. Nothing for empty `bytes`. One thread
    /// at a time.
    /// @throws ClientGone
    void write(std::string_view bytes);
    /// Ends the response well.
    void finish();

  private:
    HttpConnection* connection_;
};

/// A connection that speaks HTTP no longer.
struct Hijacked {
    UniqueFd socket{};  ///< blocking, close-on-exec; the caller's to keep also after the handler
                        ///< returned
    std::string already_read{};  ///< bytes that the client sent behind its request
};

enum class Wake { Ready, ClientGone, Timeout };

/// One request and its answer, in the hands of a handler, which runs on a thread of its own and may
/// block for as long as it likes. It must answer exactly once: respond, respond_file, begin_stream,
/// or hijack.
class HttpExchange {
  public:
    explicit HttpExchange(HttpConnection& connection) noexcept : connection_(&connection) {}

    [[nodiscard]] const HttpRequest& request() const noexcept;

    /// The next bytes of the body, at least one; 0 at its end. Sends "100 Continue" first to a
    /// client that waits for it.
    /// @throws HttpError 400 for broken chunks; ClientGone
    std::size_t read_some(std::span<std::byte> into);
    /// The rest of the body.
    /// @throws HttpError 413 when it is longer than `limit` bytes
    std::string read_body(std::size_t limit);

    /// Content-Length, Date and Connection are the server's; "Content-Length" in `headers` is sent
    /// instead of ours only in answer to HEAD (then `body` may be empty).
    void respond(int status, const HttpHeaders& headers, std::string_view body);
    /// 200 with `length` bytes of the regular file `fd` from `offset` on, by sendfile(2).
    void respond_file(int fd, std::uint64_t offset, std::uint64_t length,
                      const HttpHeaders& headers);
    /// The whole file of `size` bytes, or, when the request has a Range of one part, 206 with that
    /// part, or 416.
    void respond_ranged_file(int fd, std::uint64_t size, const HttpHeaders& headers);
    /// Sends the head at once, before any byte of the body.
    [[nodiscard]] HttpStream begin_stream(int status, const HttpHeaders& headers);
    /// Sends the head with these headers and nothing else (101: "Connection: Upgrade" and "Upgrade"
    /// are the caller's to give; 200: the stream ends by close, unless the headers have a
    /// Content-Length, which the caller has to keep then) and hands the socket over.
    [[nodiscard]] Hijacked hijack(int status, const HttpHeaders& headers);

    [[nodiscard]] bool answered() const noexcept;
    /// True when the client has closed its end, or the server is stopping. Cheap; for loops that
    /// produce a stream.
    [[nodiscard]] bool client_gone() const;
    /// Blocks until `fd` (an eventfd, a pipe, inotify; -1: none) is readable, the client is gone,
    /// the server is stopping (also ClientGone), or the time is over (negative: never).
    [[nodiscard]] Wake wait_for(int fd, std::chrono::milliseconds timeout) const;

  private:
    HttpConnection* connection_;
};

}  // namespace drydock
