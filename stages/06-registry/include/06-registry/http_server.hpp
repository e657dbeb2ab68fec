#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "06-registry/http.hpp"

namespace drydock {

/// Answers one request. Called on a worker thread, SIGPIPE blocked (so whoever spawns from there
/// gives its child a clean signal mask), many at a time.
using HttpHandler = std::function<void(HttpExchange&)>;

/// One request that was answered, or cut.
struct HttpLogEntry {
    std::string peer{};
    std::string method{};  ///< empty when it was no request at all
    std::string path{};
    int status = 0;          ///< 0: the client was gone before there was an answer
    std::uint64_t sent = 0;  ///< bytes of the answer, head and body
    std::chrono::microseconds took{};
};

struct HttpServerOptions {
    /// Each "unix:///absolute/path", "127.0.0.1:5000", "[::1]:5000" or "localhost:5000", also after
    /// "tcp://"; port 0 takes a free one.
    std::vector<std::string> listen{};
    bool any_address = false;            ///< also addresses that are not loopback
    HttpHeaders common_headers{};        ///< on every response, also on those to malformed requests
    std::size_t max_connections = 4096;  ///< when reached, the one that idles longest makes room
    /// Of these, as many from one address at most, Unix sockets not counted; 0: all of them.
    std::size_t max_per_peer = 0;
    std::size_t max_workers =
        1024;  ///< requests being answered at the same time; more wait their turn
    std::chrono::milliseconds header_timeout{
        10'000};  ///< from a request's first byte to the end of its head
    std::chrono::milliseconds idle_timeout{60'000};  ///< between two requests
    /// How long a client may take for the next bytes while we wait for them in a handler; 0:
    /// forever. Forever suits a daemon on a Unix socket, whose clients are trusted and may pause
    /// (`logs -f | less`).
    std::chrono::milliseconds stall_timeout{60'000};
    /// Called on the thread that answered, after the answer; it must not throw.
    std::function<void(const HttpLogEntry&)> log{};
    std::chrono::milliseconds stop_grace{
        5'000};  ///< from stop() to the cutting of connections that still answer
};

/// Owns listening sockets; serves HTTP/1.0 and 1.1 on them, and nothing that is not strictly that.
/// Connections are coroutines on one thread and cost no thread while they idle; each request has
/// one while it is answered.
class HttpServer {
  public:
    /// Listens: who connects from here on is served once run() is called. A Unix socket has mode
    /// 0660; one that nobody listens on any more is replaced.
    /// @throws InputError for an address that is none, is not loopback, or is in use;
    /// std::system_error
    HttpServer(HttpServerOptions options, HttpHandler handler);
    /// Unlinks the Unix sockets. @pre run() has returned, or was never called
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    HttpServer(HttpServer&&) = delete;
    HttpServer& operator=(HttpServer&&) = delete;

    /// In the form given, with the real port: "127.0.0.1:43117", "unix:///run/x.sock".
    [[nodiscard]] const std::vector<std::string>& addresses() const noexcept;

    /// Serves until stop(). When it returns, no handler runs and no connection is open.
    void run();
    /// Serves a connection that somebody else accepted: a TLS front's. From any thread.
    void adopt(UniqueFd socket, HttpPeer peer);
    /// Makes run() return: accepts no more, tells handlers (client_gone()), waits stop_grace for
    /// them, then cuts their connections and waits for them to end. From any thread, also from a
    /// signal handler; more than once is fine.
    void stop() noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
