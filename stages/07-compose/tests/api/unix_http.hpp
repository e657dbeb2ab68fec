#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock::testing {

struct Reply {
    int status = 0;
    std::map<std::string, std::string> headers{};  ///< names in lower case
    std::string body{};
    [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body); }
};

/// One HTTP request over a Unix socket, byte by byte as a client sends it, so that tests see the
/// wire and not what a library makes of it.
class HttpRequestUnderWay {
  public:
    HttpRequestUnderWay(const std::filesystem::path& socket, const std::string& method,
                        const std::string& target, const std::string& body = "",
                        const std::string& headers = "")
        : fd_(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket(AF_UNIX)")) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        std::strncpy(address.sun_path, socket.c_str(), sizeof(address.sun_path) - 1);
        check(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              "connect({})", socket.native());
        std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n{}",
                                          method, target, headers);
        if (!body.empty()) {
            request += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                                   body.size());
        }
        write_all(fd_.get(), request + "\r\n" + body, "HTTP request");
    }

    /// Blocks until the head of the response is there.
    const Reply& head() {
        while (reply_.status == 0) {
            const auto end = raw_.find("\r\n\r\n");
            if (end == std::string::npos) {
                if (!fill()) {
                    throw std::runtime_error("the server closed the connection without an answer");
                }
                continue;
            }
            parse_head(raw_.substr(0, end));
            raw_.erase(0, end + 4);
        }
        return reply_;
    }

    /// The whole response.
    Reply finish() {
        head();
        while (fill()) {
        }
        reply_.body = reply_.headers["transfer-encoding"] == "chunked" ? dechunked() : raw_;
        return reply_;
    }

    /// Whether something comes, or the end, within that time.
    [[nodiscard]] bool readable(int milliseconds) const {
        pollfd event{fd_.get(), POLLIN, 0};
        return ::poll(&event, 1, milliseconds) > 0;
    }

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const std::string& raw() const noexcept { return raw_; }

  private:
    bool fill() {
        std::string block(65536, '\0');
        const auto got =
            check(::read(fd_.get(), block.data(), block.size()), "read(HTTP response)");
        raw_.append(block, 0, static_cast<std::size_t>(got));
        return got > 0;
    }

    void parse_head(const std::string& head) {
        reply_.status = std::stoi(head.substr(9, 3));
        for (auto line = head.find("\r\n"); line != std::string::npos;
             line = head.find("\r\n", line + 2)) {
            const auto end = head.find("\r\n", line + 2);
            const std::string one =
                head.substr(line + 2, end == std::string::npos ? end : end - line - 2);
            const auto colon = one.find(": ");
            std::string name = one.substr(0, colon);
            for (char& c : name) {
                c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            }
            reply_.headers[name] = one.substr(colon + 2);
        }
    }

    [[nodiscard]] std::string dechunked() const {
        std::string body;
        for (std::size_t at = 0; at < raw_.size();) {
            const auto end = raw_.find("\r\n", at);
            const auto size = std::stoul(raw_.substr(at, end - at), nullptr, 16);
            if (size == 0) {
                return body;
            }
            body += raw_.substr(end + 2, size);
            at = end + 2 + size + 2;
        }
        throw std::runtime_error("the response ended in the middle");
    }

    UniqueFd fd_;
    std::string raw_{};
    Reply reply_{};
};

}  // namespace drydock::testing
