#pragma once

#include <functional>
#include <string>
#include <thread>

#include "01-chroot/unique_fd.hpp"
#include "06-registry/http_server.hpp"

namespace drydock::testing {

/// A server on a thread of its own, stopped and joined at the end of the scope.
class RunningServer {
  public:
    explicit RunningServer(HttpHandler handler, HttpServerOptions options = {});
    ~RunningServer();
    RunningServer(const RunningServer&) = delete;
    RunningServer& operator=(const RunningServer&) = delete;
    RunningServer(RunningServer&&) = delete;
    RunningServer& operator=(RunningServer&&) = delete;

    [[nodiscard]] const std::string& address() const { return server_.addresses().front(); }
    HttpServer& server() { return server_; }

  private:
    HttpServer server_;
    std::thread thread_;
};

/// A connection that sends exactly the bytes it is told to.
class RawClient {
  public:
    /// @param address as HttpServer::addresses() gives it
    explicit RawClient(const std::string& address);

    void send(const std::string& bytes) const;
    void half_close() const;
    void close() { fd_ = UniqueFd(); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// What has come when `done` says it is enough, the server closes, or `seconds` are over.
    std::string read_until(const std::function<bool(const std::string&)>& done, int seconds = 10);
    /// One response with a Content-Length, head and body.
    std::string read_response(int seconds = 10);
    std::string read_to_end(int seconds = 10);

  private:
    UniqueFd fd_{};
    std::string rest_{};
};

/// Sends, and gives back all that comes until the server closes.
std::string raw_exchange(const std::string& address, const std::string& request);

}  // namespace drydock::testing
