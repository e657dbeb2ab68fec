#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "06-registry/http.hpp"

#include "http_connection.hpp"
#include "http_range.hpp"

namespace drydock {

const HttpRequest& HttpExchange::request() const noexcept {
    return connection_->request();
}
std::size_t HttpExchange::read_some(std::span<std::byte> into) {
    return connection_->read_some(into);
}

std::string HttpExchange::read_body(std::size_t limit) {
    const auto too_long = [&] {
        return HttpError(413, fmt::format("the body is longer than {} bytes\n", limit));
    };
    if (request().content_length.value_or(0) > limit) {
        throw too_long();
    }
    std::string body;
    std::array<std::byte, 16384>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read_some fills it
    while (const std::size_t n = read_some(buffer)) {
        if (body.size() + n > limit) {
            throw too_long();
        }
        body.append(reinterpret_cast<const char*>(buffer.data()), n);
    }
    return body;
}

void HttpExchange::respond(int status, const HttpHeaders& headers, std::string_view body) {
    connection_->respond(status, headers, body);
}

void HttpExchange::respond_file(int fd, std::uint64_t offset, std::uint64_t length,
                                const HttpHeaders& headers) {
    connection_->respond_file(200, fd, offset, length, headers);
}

void HttpExchange::respond_ranged_file(int fd, std::uint64_t size, const HttpHeaders& headers) {
    HttpHeaders all = headers;
    all.push_back({.name = "Accept-Ranges", .value = "bytes"});
    const RequestedRange range = requested_range(request().header("Range"), size);
    if (range.kind == RequestedRange::Kind::Unsatisfiable) {
        all.push_back({.name = "Content-Range", .value = fmt::format("bytes */{}", size)});
        respond(416, all, "");
        return;
    }
    if (range.kind == RequestedRange::Kind::Whole || request().method != "GET") {
        connection_->respond_file(200, fd, 0, size, all);
        return;
    }
    all.push_back({.name = "Content-Range",
                   .value = fmt::format("bytes {}-{}/{}", range.offset,
                                        range.offset + range.length - 1, size)});
    connection_->respond_file(206, fd, range.offset, range.length, all);
}

HttpStream HttpExchange::begin_stream(int status, const HttpHeaders& headers) {
    connection_->begin_stream(status, headers);
    return HttpStream(*connection_);
}

Hijacked HttpExchange::hijack(int status, const HttpHeaders& headers) {
    return connection_->hijack(status, headers);
}

bool HttpExchange::answered() const noexcept {
    return connection_->answered();
}
bool HttpExchange::client_gone() const {
    return connection_->client_gone();
}

Wake HttpExchange::wait_for(int fd, std::chrono::milliseconds timeout) const {
    return connection_->wait_for(fd, timeout.count() < 0 ? -1 : static_cast<int>(timeout.count()));
}

void HttpStream::write(std::string_view bytes) {
    connection_->write_chunk(bytes);
}
void HttpStream::finish() {
    connection_->finish_stream();
}

}  // namespace drydock
