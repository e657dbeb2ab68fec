#include "07-compose/cli/http_request.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

std::string head_of(const Request& request, std::string_view body_framing) {
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: drydock\r\nUser-Agent: drydock\r\nConnection: close\r\n",
        request.method, request.target);
    if (!request.registry_auth.empty()) {
        head += fmt::format("X-Registry-Auth: {}\r\n", request.registry_auth);
    }
    if (!request.registry_config.empty()) {
        head += fmt::format("X-Registry-Config: {}\r\n", request.registry_config);
    }
    if (!body_framing.empty()) {
        head += fmt::format("Content-Type: {}\r\n{}\r\n", request.content_type, body_framing);
    }
    return head + "\r\n";
}

}  // namespace

std::string percent_encoded(std::string_view text, std::string_view but_not) {
    std::string result;
    for (const char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                           (c >= 'A' && c <= 'Z') ||
                           std::string_view("-._~").find(c) != std::string_view::npos ||
                           but_not.find(c) != std::string_view::npos;
        result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

std::string query_string(const std::vector<std::pair<std::string, std::string>>& parameters) {
    std::string result;
    for (const auto& [name, value] : parameters) {
        result += fmt::format("{}{}={}", result.empty() ? "?" : "&", percent_encoded(name),
                              percent_encoded(value));
    }
    return result;
}

Exchange::Exchange(const Host& host, const Request& request) : socket_(connect_to(host)) {
    const bool has_body =
        !request.body.empty() || request.method == "POST" || request.method == "PUT";
    const std::string bytes =
        head_of(request, has_body ? fmt::format("Content-Length: {}", request.body.size()) : "") +
        request.body;
    send(bytes);
}

Exchange Exchange::upload(const Host& host, const Request& request) {
    Exchange exchange(connect_to(host));
    const std::string head = head_of(request, "Transfer-Encoding: chunked");
    exchange.send(head);
    return exchange;
}

void Exchange::write_body(std::string_view bytes) {
    if (!bytes.empty()) {
        const std::string size = fmt::format("{:x}\r\n", bytes.size());
        send(size);
        send(bytes);
        send("\r\n");
    }
}

void Exchange::end_body() {
    send("0\r\n\r\n");
}

void Exchange::send(std::string_view bytes) {
    while (!bytes.empty() && !refused_upload_) {
        // MSG_NOSIGNAL: a daemon that is gone is an error to report, not a SIGPIPE.
        const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
            refused_upload_ = true;  // it has answered already, and the answer says why
            return;
        }
        check(n, "send(to the daemon, {} bytes)", bytes.size());
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::size_t Exchange::send_some(std::string_view bytes) {
    const ssize_t n =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        return static_cast<std::size_t>(n);
    }
    return errno == EAGAIN || errno == EINTR ? 0 : bytes.size();
}

void Exchange::end_input() {
    static_cast<void>(::shutdown(socket_.get(), SHUT_WR));  // or it is gone altogether
}

void Exchange::receive() {
    std::array<char, 65536> buffer{};
    ssize_t n = -1;
    do {
        n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    } while (n == -1 && errno == EINTR);
    if (n == -1 && errno == ECONNRESET) {
        n = 0;
    }
    check(n, "recv(from the daemon)");
    if (n == 0) {
        parser_.end();
    } else {
        parser_.feed({buffer.data(), static_cast<std::size_t>(n)});
    }
}

const ResponseHead& Exchange::head() {
    while (!parser_.has_head()) {
        receive();
    }
    return parser_.head();
}

std::optional<std::string> Exchange::read_some() {
    head();
    while (!parser_.has_body() && !parser_.complete()) {
        receive();
    }
    return parser_.has_body() ? std::optional(parser_.take_body()) : std::nullopt;
}

std::string Exchange::read_all(std::size_t limit) {
    std::string body;
    while (const auto piece = read_some()) {
        body += *piece;
        if (body.size() > limit) {
            throw InputError(fmt::format("the daemon's answer is larger than {} bytes", limit));
        }
    }
    return body;
}

}  // namespace drydock::cli
