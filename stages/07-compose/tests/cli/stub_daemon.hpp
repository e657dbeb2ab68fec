#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/temp_dir.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock::testing {

/// What a stub answers: bytes as they go onto the wire.
inline std::string response(int status, const std::string& body,
                            const std::string& type = "application/json") {
    return fmt::format("HTTP/1.1 {} Stub\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                       status, type, body.size(), body);
}

inline std::string chunked(const std::vector<std::string>& chunks) {
    std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const std::string& chunk : chunks) {
        text += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
    }
    return text + "0\r\n\r\n";
}

inline std::string frame(int stream, const std::string& text) {
    return std::string{static_cast<char>(stream),     0, 0, 0, 0, 0, 0,
                       static_cast<char>(text.size())} +
           text;
}

/// A daemon that is a table: a process that listens on a Unix socket, gives each request the answer
/// of the first row whose beginning fits ("POST /v1.44/containers/create"), and notes every
/// request. An answer that begins with "LATE " gets its head at once and its body only when a start
/// has been answered.
class StubDaemon {
  public:
    using Table = std::vector<std::pair<std::string, std::string>>;

    explicit StubDaemon(const Table& table) : directory_("drydock-stub") {
        UniqueFd listener(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, socket().c_str());
        check(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "bind()");
        check(::listen(listener.get(), 16), "listen()");
        child_ = clone_child(0);
        if (!child_) {
            serve(listener.get(), table);
            ::_exit(0);
        }
    }

    [[nodiscard]] std::filesystem::path socket() const { return directory_.path() / "s"; }
    /// For the program's environment.
    [[nodiscard]] std::string host() const { return "DRYDOCK_HOST=unix://" + socket().native(); }
    /// Every request so far: request line, an empty line, its body (without the chunks' borders).
    [[nodiscard]] std::vector<std::string> requests() const {
        std::vector<std::string> found;
        for (int i = 0; std::filesystem::exists(note(i)); ++i) {
            std::ifstream in(note(i));
            found.emplace_back(std::istreambuf_iterator<char>(in),
                               std::istreambuf_iterator<char>());
        }
        return found;
    }

  private:
    [[nodiscard]] std::filesystem::path note(int number) const {
        return directory_.path() / std::to_string(number);
    }

    static std::string read_request(int fd) {
        std::string text;
        std::array<char, 65536> buffer{};
        while (true) {
            const auto head = text.find("\r\n\r\n");
            if (head != std::string::npos) {
                const auto length = text.find("Content-Length: ");
                const bool is_chunked = text.find("Transfer-Encoding: chunked") < head;
                if (is_chunked ? text.ends_with("0\r\n\r\n")
                               : length > head || text.size() - head - 4 >=
                                                      std::stoul(text.substr(length + 16))) {
                    return text;
                }
            }
            const ssize_t n = ::read(fd, buffer.data(), buffer.size());
            if (n <= 0) {
                return text;
            }
            text.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }

    void serve(int listener, const Table& table) const {
        std::vector<std::pair<int, std::string>> late;
        for (int number = 0;; ++number) {
            const int fd = ::accept(listener, nullptr, nullptr);
            const std::string request = read_request(fd);
            const auto line = request.substr(0, request.find(" HTTP/1.1"));
            std::ofstream(note(number))
                << line << "\n\n"
                << request.substr(std::min(request.size(), request.find("\r\n\r\n") + 4));
            std::string answer = response(404, R"({"message":"page not found"})");
            for (const auto& [beginning, text] : table) {
                if (line.starts_with(beginning)) {
                    answer = text;
                    break;
                }
            }
            if (answer.starts_with("LATE ")) {
                const auto body = answer.find("\r\n\r\n") + 4;
                send(fd, answer.substr(5, body - 5));
                late.emplace_back(fd, answer.substr(body));
                continue;
            }
            send(fd, answer);
            ::close(fd);
            if (line.ends_with("/start")) {
                for (const auto& [waiting, body] : std::exchange(late, {})) {
                    send(waiting, body);
                    ::close(waiting);
                }
            }
        }
    }

    static void send(int fd, const std::string& text) {
        static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    }

    TempDir directory_;
    Child child_{};
};

}  // namespace drydock::testing
