// How bytes come and go on a connection.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "01-chroot/check.hpp"

#include "http_connection.hpp"

namespace drydock {
namespace {

constexpr std::size_t kReadSize = std::size_t{64} << 10U;

}  // namespace

std::size_t HttpConnection::read_some(std::span<std::byte> into) {
    if (!body_remains() || into.empty()) {
        return 0;
    }
    if (std::exchange(continue_awaited_, false) && input.empty() && answer_ == Answer::None) {
        send("HTTP/1.1 100 Continue\r\n\r\n", 0);
    }
    return request_.chunked ? read_chunked(into) : read_plain(into);
}

std::size_t HttpConnection::read_plain(std::span<std::byte> into) {
    const std::size_t wanted = std::min<std::uint64_t>(into.size(), body_left_);
    std::size_t got = std::min(wanted, input.size());
    if (got > 0) {
        std::memcpy(into.data(), input.data(), got);
        input.erase(0, got);
    }
    while (got == 0) {
        const ssize_t n = ::recv(fd_, into.data(), wanted, 0);
        if (n > 0) {
            got = static_cast<std::size_t>(n);
        } else if (n < 0 && errno == EAGAIN) {
            wait_io(POLLIN);
        } else if (n == 0 || errno != EINTR) {
            throw ClientGone("the client closed the connection before the end of its request");
        }
    }
    body_left_ -= got;
    return got;
}

std::size_t HttpConnection::read_chunked(std::span<std::byte> into) {
    while (true) {
        const HttpParser::Decoded decoded = parser_.decode_chunks(input, into);
        input.erase(0, decoded.consumed);
        chunks_done_ = decoded.done;
        if (decoded.produced > 0 || decoded.done) {
            return decoded.produced;
        }
        if (decoded.consumed == 0) {
            if (input.size() > kReadSize) {
                throw HttpError(400, "the head of a chunk is too long\n");
            }
            if (!receive()) {
                throw ClientGone("the client closed the connection before the end of its request");
            }
        }
    }
}

/// Appends what arrives next to `input`. @return false at the end of the stream
bool HttpConnection::receive() {
    std::array<char, kReadSize>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills it
    while (true) {
        const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (n > 0) {
            input.append(buffer.data(), static_cast<std::size_t>(n));
            return true;
        }
        if (n < 0 && errno == EAGAIN) {
            wait_io(POLLIN);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
}

void HttpConnection::wait_io(short events) const {
    const auto stall = serving_->options.stall_timeout.count();
    pollfd ready{.fd = fd_, .events = events, .revents = 0};
    while (true) {
        const int n = ::poll(&ready, 1, stall == 0 ? -1 : static_cast<int>(stall));
        if (n > 0) {
            return;
        }
        if (n == 0) {
            throw ClientGone("the client neither sent nor took a byte for too long");
        }
        if (errno != EINTR) {
            check(n, "poll(socket)");
        }
    }
}

void HttpConnection::send(std::string_view bytes, int flags) const {
    iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    send(std::span(&part, 1), flags);
}

void HttpConnection::send(std::span<iovec> parts, int flags) const {
    while (!parts.empty()) {
        if (parts.front().iov_len == 0) {
            parts = parts.subspan(1);
            continue;
        }
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EAGAIN) {
            wait_io(POLLOUT);
            continue;
        }
        if (n < 0 && errno != EINTR) {
            throw ClientGone("the client closed the connection");
        }
        auto sent = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        sent_ += sent;
        while (sent > 0) {
            const std::size_t step = std::min(sent, parts.front().iov_len);
            parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + step;
            parts.front().iov_len -= step;
            sent -= step;
            if (parts.front().iov_len == 0) {
                parts = parts.subspan(1);
            }
        }
    }
}

bool HttpConnection::client_gone() const {
    return wait_for(-1, 0) == Wake::ClientGone;
}

Wake HttpConnection::wait_for(int event, int timeout_ms) const {
    std::array<pollfd, 3> events{
        {{.fd = fd_, .events = POLLRDHUP, .revents = 0},
         {.fd = serving_->stop_event.get(), .events = POLLIN, .revents = 0},
         {.fd = event, .events = POLLIN, .revents = 0}}};
    int n = ::poll(events.data(), events.size(), timeout_ms);
    if (n < 0 && errno == EINTR) {
        return Wake::Timeout;
    }
    check(n, "poll(socket, stop, event)");
    if (events[0].revents != 0 || events[1].revents != 0) {
        return Wake::ClientGone;
    }
    return events[2].revents != 0 ? Wake::Ready : Wake::Timeout;
}

}  // namespace drydock
