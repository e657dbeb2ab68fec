#include "http_connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

/// A body that a handler did not read is read for it up to here, so that the connection can serve
/// on.
constexpr std::uint64_t kDiscardLimit = std::uint64_t{256} << 10U;
constexpr auto kLinger = std::chrono::seconds(1);

/// RFC 9110, 5.6.7. By hand: strftime follows the locale.
std::string http_date() {
    constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                       kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                       kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900,
                       utc.tm_hour, utc.tm_min, utc.tm_sec);
}

bool has_token(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        std::string_view item = list.substr(0, list.find(','));
        list.remove_prefix(std::min(item.size() + 1, list.size()));
        while (item.starts_with(' ') || item.starts_with('\t')) {
            item.remove_prefix(1);
        }
        while (item.ends_with(' ') || item.ends_with('\t')) {
            item.remove_suffix(1);
        }
        if (same_letters(item, token)) {
            return true;
        }
    }
    return false;
}

/// Nothing that came from outside may end a header and begin another.
void append_header(std::string& head, std::string_view name, std::string_view value) {
    constexpr std::string_view kForbidden("\r\n\0", 3);
    if (name.find_first_of(kForbidden) != std::string_view::npos ||
        value.find_first_of(kForbidden) != std::string_view::npos) {
        throw std::logic_error("a line end in a response header");
    }
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
}

bool is_bodiless(int status) {
    return status < 200 || status == 204 || status == 304;
}

}  // namespace

HttpConnection::HttpConnection(int fd, HttpPeer peer, const HttpServing& serving)
    : fd_(fd), peer_(std::move(peer)), serving_(&serving) {}

void HttpConnection::begin_request(std::size_t head) {
    parser_ = HttpParser();
    request_ = parser_.parse_head(std::string_view(input).substr(0, head));
    request_.peer = peer_;
    input.erase(0, head);
    body_left_ = request_.content_length.value_or(0);
    chunks_done_ = !request_.chunked;
    continue_awaited_ = request_.minor_version == 1 && !request_.header("Expect").empty();
    keep_alive_ = request_.minor_version == 1 && !has_token(request_.header("Connection"), "close");
}

void HttpConnection::log(std::chrono::steady_clock::time_point begin) const noexcept {
    if (serving_->options.log) {
        serving_->options.log({.peer = peer_.address,
                               .method = request_.method,
                               .path = request_.path,
                               .status = status_,
                               .sent = sent_,
                               .took = std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now() - begin)});
    }
}

void HttpConnection::serve(std::size_t head) noexcept {
    const auto begin = std::chrono::steady_clock::now();
    status_ = 0;
    sent_ = 0;
    serve_request(head);
    log(begin);
}

void HttpConnection::serve_request(std::size_t head) noexcept {
    answer_ = Answer::None;
    request_ = {};
    keep_alive_ = false;
    try {
        try {
            begin_request(head);
        } catch (const HttpError& error) {
            refuse(error);
            return;
        }
        call_handler();
        if (answer_ == Answer::Hijacked) {
            keep_alive_ = false;
            return;
        }
        if (answer_ ==
            Answer::Begun) {  // half an answer: cut, so that it is not taken for a whole one
            keep_alive_ = false;
            return;
        }
        discard_body();
    } catch (...) {
        keep_alive_ = false;
    }
}

void HttpConnection::call_handler() {
    HttpExchange exchange(*this);
    try {
        serving_->handler(exchange);
        if (answer_ == Answer::None) {
            answer_error(500, {}, "no answer was given\n");
        }
    } catch (const ClientGone&) {
        answer_ = Answer::Begun;
    } catch (const HttpError& error) {
        answer_error(error.status(), error.headers(), error.what());
    } catch (const std::exception& error) {
        answer_error(500, {}, fmt::format("{}\n", error.what()));
    }
}

void HttpConnection::answer_error(int status, const HttpHeaders& headers, std::string_view text) {
    if (answer_ != Answer::None) {
        answer_ = answer_ == Answer::Hijacked ? Answer::Hijacked : Answer::Begun;
        return;
    }
    HttpHeaders all = headers;
    if (find_header(all, "Content-Type") == nullptr) {
        all.push_back({.name = "Content-Type", .value = "text/plain; charset=utf-8"});
    }
    respond(status, all, text);
}

void HttpConnection::refuse(const HttpError& error) noexcept {
    try {
        sent_ = 0;
        answer_ = Answer::None;
        keep_alive_ = false;
        continue_awaited_ = false;
        answer_error(error.status(), error.headers(), error.what());
        linger();
    } catch (...) {
        keep_alive_ = false;
    }
}

std::string HttpConnection::head_of(int status, const HttpHeaders& headers,
                                    std::optional<std::uint64_t> length) {
    if (answer_ != Answer::None) {
        throw std::logic_error("a request is answered once");
    }
    // Whoever has not been told to go on with a body never sends it; a long rest is not worth
    // reading.
    if (continue_awaited_ || body_left_ > kDiscardLimit || !chunks_done_) {
        keep_alive_ = keep_alive_ && !body_remains();
    }
    status_ = status;
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    for (const HttpHeader& header : serving_->options.common_headers) {
        if (find_header(headers, header.name) == nullptr) {
            append_header(head, header.name, header.value);
        }
    }
    for (const HttpHeader& header : headers) {
        if (!same_letters(header.name, "Content-Length") || request_.method == "HEAD") {
            append_header(head, header.name, header.value);
        }
    }
    if (find_header(headers, "Date") == nullptr) {
        append_header(head, "Date", http_date());
    }
    const bool given =
        request_.method == "HEAD" && find_header(headers, "Content-Length") != nullptr;
    if (length && !given && !is_bodiless(status)) {
        append_header(head, "Content-Length", std::to_string(*length));
    }
    if (!keep_alive_ && find_header(headers, "Connection") == nullptr) {
        append_header(head, "Connection", "close");
    }
    return head;
}

void HttpConnection::respond(int status, const HttpHeaders& headers, std::string_view body) {
    std::string head = head_of(status, headers, body.size()) + "\r\n";
    answer_ = Answer::Begun;
    if (request_.method == "HEAD" || is_bodiless(status)) {
        body = {};
    }
    std::array<iovec, 2> parts{
        {{.iov_base = head.data(), .iov_len = head.size()},
         {.iov_base = const_cast<char*>(body.data()), .iov_len = body.size()}}};
    send(parts, 0);
    answer_ = Answer::Done;
}

// [region: sendfile]
void HttpConnection::respond_file(int status, int file, std::uint64_t offset, std::uint64_t length,
                                  const HttpHeaders& headers) {
    const std::string head = head_of(status, headers, length) + "\r\n";
    answer_ = Answer::Begun;
    const bool only_head = request_.method == "HEAD" || length == 0;
    send(head, only_head ? 0 : MSG_MORE);
    auto position = static_cast<off_t>(offset);
    std::uint64_t left = only_head ? 0 : length;
    while (left > 0) {
        const ssize_t sent =
            ::sendfile(fd_, file, &position, std::min<std::uint64_t>(left, 1U << 30U));
        if (sent > 0) {
            left -= static_cast<std::uint64_t>(sent);
            sent_ += static_cast<std::uint64_t>(sent);
        } else if (sent == 0) {
            throw std::runtime_error("the file became shorter while it was sent");
        } else if (errno == EAGAIN) {
            wait_io(POLLOUT);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            throw ClientGone("the client closed the connection");
        } else if (errno != EINTR) {
            check(sent, "sendfile(offset={}, count={})", position, left);
        }
    }
    answer_ = Answer::Done;
}
// [/region]

void HttpConnection::begin_stream(int status, const HttpHeaders& headers) {
    framing_ = request_.minor_version == 1 ? Framing::Chunked : Framing::Close;
    std::string head = head_of(status, headers, std::nullopt);
    if (framing_ == Framing::Chunked && !is_bodiless(status)) {
        append_header(head, "Transfer-Encoding", "chunked");
    }
    head += "\r\n";
    answer_ = Answer::Begun;
    send(head, 0);
}

void HttpConnection::write_chunk(std::string_view bytes) {
    if (bytes.empty() || request_.method == "HEAD") {
        return;
    }
    if (framing_ == Framing::Close) {
        send(bytes, 0);
        return;
    }
    std::string size = fmt::format("{:x}\r\n", bytes.size());
    std::array<iovec, 3> parts{
        {{.iov_base = size.data(), .iov_len = size.size()},
         {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()},
         {.iov_base = const_cast<char*>("\r\n"), .iov_len = 2}}};
    send(parts, 0);
}

void HttpConnection::finish_stream() {
    if (answer_ != Answer::Begun) {
        return;
    }
    if (framing_ == Framing::Chunked && request_.method != "HEAD") {
        send("0\r\n\r\n", 0);
    }
    answer_ = Answer::Done;
}

Hijacked HttpConnection::hijack(int status, const HttpHeaders& headers) {
    keep_alive_ =
        keep_alive_ || status == 101;  // no "Connection: close" beside "Connection: Upgrade"
    std::optional<std::uint64_t> length;
    if (const std::string* given = find_header(headers, "Content-Length")) {
        length = std::stoull(*given);
    }
    const std::string head = head_of(status, headers, length) + "\r\n";
    answer_ = Answer::Hijacked;
    send(head, 0);
    Hijacked result{
        .socket = UniqueFd(check(::fcntl(fd_, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)")),
        .already_read = std::move(input)};
    const int flags = check(::fcntl(fd_, F_GETFL), "fcntl(F_GETFL)");
    check(::fcntl(fd_, F_SETFL, flags & ~O_NONBLOCK), "fcntl(F_SETFL)");
    input.clear();
    return result;
}

bool HttpConnection::body_remains() const noexcept {
    return body_left_ > 0 || !chunks_done_;
}

void HttpConnection::discard_body() {
    if (!body_remains()) {
        return;
    }
    if (!keep_alive_) {
        linger();
        return;
    }
    continue_awaited_ = false;
    std::array<std::byte, 16384> buffer{};
    while (read_some(buffer) > 0) {
    }
}

/// Closing while bytes of the client are unread would reset the connection, and the client might
/// never see our answer: so half-close, and read on for a moment.
void HttpConnection::linger() const {
    static_cast<void>(::shutdown(fd_, SHUT_WR));
    const auto end = std::chrono::steady_clock::now() + kLinger;
    std::array<char, 65536> buffer{};
    while (std::chrono::steady_clock::now() < end && !serving_->stopping) {
        pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
        if (::poll(&readable, 1, 100) < 0 && errno != EINTR) {
            return;
        }
        if (readable.revents != 0 && ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}

}  // namespace drydock
