#pragma once

#include <sys/uio.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "06-registry/http.hpp"
#include "06-registry/http_server.hpp"

#include "http_parser.hpp"

namespace drydock {

/// Who is at the other end of a connected socket.
HttpPeer http_peer_of(int fd);

/// What every connection of a server shares.
struct HttpServing {
    HttpServerOptions options{};
    HttpHandler handler{};
    UniqueFd stop_event{};  ///< an eventfd that becomes, and stays, readable when the server stops
    std::atomic<bool> stopping = false;
};

/// One connection. The server's thread collects the head of a request in `input`; then a worker has
/// the connection for itself until the request is answered. Never both: no lock is needed.
class HttpConnection {
  public:
    /// @param fd a connected, non-blocking socket, borrowed
    HttpConnection(int fd, HttpPeer peer, const HttpServing& serving);
    [[nodiscard]] const HttpPeer& peer() const noexcept { return peer_; }

    // The server's side.

    std::string input{};  ///< bytes that arrived and are not consumed yet
    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// Answers the request whose head is the first `head` bytes of `input`, 400 if it is none.
    void serve(std::size_t head) noexcept;
    /// Answers `error` to what cannot become a request.
    void refuse(const HttpError& error) noexcept;
    /// Whether another request may follow on this connection.
    [[nodiscard]] bool keeps_alive() const noexcept { return keep_alive_; }

    // HttpExchange's side; see there.

    [[nodiscard]] const HttpRequest& request() const noexcept { return request_; }
    std::size_t read_some(std::span<std::byte> into);
    void respond(int status, const HttpHeaders& headers, std::string_view body);
    void respond_file(int status, int file, std::uint64_t offset, std::uint64_t length,
                      const HttpHeaders& headers);
    void begin_stream(int status, const HttpHeaders& headers);
    void write_chunk(std::string_view bytes);
    void finish_stream();
    Hijacked hijack(int status, const HttpHeaders& headers);
    [[nodiscard]] bool answered() const noexcept { return answer_ != Answer::None; }
    [[nodiscard]] bool client_gone() const;
    [[nodiscard]] Wake wait_for(int event, int timeout_ms) const;

  private:
    enum class Answer { None, Begun, Done, Hijacked };
    enum class Framing { Length, Chunked, Close };

    void begin_request(std::size_t head);
    void serve_request(std::size_t head) noexcept;
    void log(std::chrono::steady_clock::time_point begin) const noexcept;
    void call_handler();
    void answer_error(int status, const HttpHeaders& headers, std::string_view text);
    std::string head_of(int status, const HttpHeaders& headers,
                        std::optional<std::uint64_t> length);
    [[nodiscard]] bool body_remains() const noexcept;
    void discard_body();
    void linger() const;
    bool receive();
    std::size_t read_plain(std::span<std::byte> into);
    std::size_t read_chunked(std::span<std::byte> into);
    void wait_io(short events) const;
    void send(std::span<iovec> parts, int flags) const;
    void send(std::string_view bytes, int flags) const;

    int fd_;
    HttpPeer peer_;
    const HttpServing* serving_;
    HttpParser parser_{};
    HttpRequest request_{};
    std::uint64_t body_left_ = 0;  ///< of a body with a Content-Length
    bool chunks_done_ = true;
    bool continue_awaited_ = false;
    bool keep_alive_ = true;
    Answer answer_ = Answer::None;
    int status_ = 0;                  ///< of the answer, for the log
    mutable std::uint64_t sent_ = 0;  ///< bytes of the answer
    Framing framing_ = Framing::Length;
};

}  // namespace drydock
