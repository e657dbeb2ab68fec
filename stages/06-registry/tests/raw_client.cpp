#include "raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock::testing {
namespace {

HttpServerOptions on_loopback(HttpServerOptions options) {
    if (options.listen.empty()) {
        options.listen = {"127.0.0.1:0"};
    }
    return options;
}

}  // namespace

RunningServer::RunningServer(HttpHandler handler, HttpServerOptions options)
    : server_(on_loopback(std::move(options)), std::move(handler)),
      thread_([this] { server_.run(); }) {}

RunningServer::~RunningServer() {
    server_.stop();
    thread_.join();
}

RawClient::RawClient(const std::string& address) {
    if (address.starts_with("unix://")) {
        sockaddr_un where{};
        where.sun_family = AF_UNIX;
        std::strncpy(where.sun_path, address.c_str() + 7, sizeof where.sun_path - 1);
        fd_ = UniqueFd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
        check(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where),
              "connect({})", address);
        return;
    }
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    fd_ = UniqueFd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
    check(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where),
          "connect({})", address);
}

void RawClient::send(const std::string& bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const ssize_t n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) {
            return;  // the server has closed: its answer is what the test looks at
        }
        sent += static_cast<std::size_t>(n);
    }
}

void RawClient::half_close() const {
    check(::shutdown(fd_.get(), SHUT_WR), "shutdown(SHUT_WR)");
}

std::string RawClient::read_until(const std::function<bool(const std::string&)>& done,
                                  int seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::string text = std::exchange(rest_, {});
    std::array<char, 65536> buffer{};
    while (!done(text)) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0) {
            return text + "(timeout)";
        }
        const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (n <= 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return text;
}

std::string RawClient::read_response(int seconds) {
    const auto size_of = [](const std::string& text) -> std::optional<std::size_t> {
        const std::size_t head = text.find("\r\n\r\n");
        if (head == std::string::npos) {
            return std::nullopt;
        }
        const std::size_t length = text.find("Content-Length: ");
        return head + 4 + (length < head ? std::stoul(text.substr(length + 16)) : 0);
    };
    std::string text = read_until(
        [&](const std::string& so_far) {
            const auto size = size_of(so_far);
            return size && so_far.size() >= *size;
        },
        seconds);
    const std::size_t size = std::min(size_of(text).value_or(text.size()), text.size());
    rest_ = text.substr(size);
    return text.substr(0, size);
}

std::string RawClient::read_to_end(int seconds) {
    return read_until([](const std::string&) { return false; }, seconds);
}

std::string raw_exchange(const std::string& address, const std::string& request) {
    RawClient client(address);
    client.send(request);
    return client.read_to_end();
}

}  // namespace drydock::testing
