#pragma once

#include <string>

#include <fmt/format.h>

#include "06-registry/http_server.hpp"

namespace drydock::testing {

inline const HttpHeaders kText = {{.name = "Content-Type", .value = "text/plain"}};

inline void echo(HttpExchange& exchange) {
    const HttpRequest& request = exchange.request();
    std::string text =
        fmt::format("{} {} [{}]", request.method, request.path, exchange.read_body(1 << 20));
    for (const auto& [key, value] : request.query) {
        text += fmt::format(" {}={}", key, value);
    }
    exchange.respond(200, kText, text);
}

inline std::string get(const std::string& path, const std::string& more = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, more);
}

inline int status_of(const std::string& response) {
    return response.size() > 12 && response.starts_with("HTTP/1.1 ")
               ? std::stoi(response.substr(9, 3))
               : 0;
}

}  // namespace drydock::testing
