#include "01-chroot/meeting.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

/// As it travels. The two sides are one program, so its layout needs no further care.
struct Header {
    Message::Kind kind;
    std::int32_t row;
    std::int32_t error;
    std::int32_t exit_status;
    std::int64_t nanoseconds;
};
constexpr std::size_t kMaxText = 32768;

}  // namespace

Meeting Meeting::open() {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()),
          "socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC)");
    Meeting meeting;
    meeting.host_end_ = UniqueFd(ends[0]);
    meeting.child_end_ = UniqueFd(ends[1]);
    return meeting;
}

Meeting Meeting::over(UniqueFd socket) {
    Meeting meeting;
    meeting.child_end_ = std::move(socket);
    return meeting;
}

void Meeting::close() noexcept {
    host_end_ = UniqueFd();
    child_end_ = UniqueFd();
}

void Meeting::send(const Message& message) const noexcept {
    Header header{message.kind, message.row, message.error, message.exit_status,
                  message.nanoseconds};
    std::array<iovec, 2> parts{{{.iov_base = &header, .iov_len = sizeof header},
                                {.iov_base = const_cast<char*>(message.text.data()),
                                 .iov_len = std::min(message.text.size(), kMaxText)}}};
    msghdr packet{};
    packet.msg_iov = parts.data();
    packet.msg_iovlen = parts.size();
    ssize_t n = -1;
    do {
        n = ::sendmsg(end(), &packet, MSG_NOSIGNAL);
    } while (n == -1 && errno == EINTR);
    if (n == -1) {
        // Both sides would wait for the other: to each this is the other's end.
        ::shutdown(end(), SHUT_RDWR);
    }
}

bool Meeting::other_side_is_there() const noexcept {
    pollfd other{.fd = end(), .events = 0, .revents = 0};
    return ::poll(&other, 1, 0) == 0;
}

std::optional<Message> Meeting::receive() const {
    Header header{};
    // Not zeroed: most messages have no text, and touching these pages costs more than the call.
    const auto text = std::make_unique_for_overwrite<char[]>(kMaxText);
    std::array<iovec, 2> parts{{{.iov_base = &header, .iov_len = sizeof header},
                                {.iov_base = text.get(), .iov_len = kMaxText}}};
    msghdr packet{};
    packet.msg_iov = parts.data();
    packet.msg_iovlen = parts.size();
    ssize_t n = -1;
    do {
        n = ::recvmsg(end(), &packet, MSG_CMSG_CLOEXEC);
    } while (n == -1 && errno == EINTR);
    if (n == -1 && errno == ECONNRESET) {
        return std::nullopt;
    }
    check(n, "recvmsg(the other side of the start)");
    if (static_cast<std::size_t>(n) < sizeof header) {
        return std::nullopt;
    }
    return Message{
        header.kind,        header.row,
        header.error,       header.exit_status,
        header.nanoseconds, std::string(text.get(), static_cast<std::size_t>(n) - sizeof header)};
}

}  // namespace drydock
