#include "07-compose/proxy/fd_message.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMostFds = 2;
constexpr std::size_t kLongestMessage = std::size_t{128} << 10U;

}  // namespace

void send_fd_message(int socket, std::string_view text, std::span<const int> fds) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> space{};
    std::string bytes(text);
    iovec data{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr out{};
    out.msg_iov = &data;
    out.msg_iovlen = 1;
    if (!fds.empty()) {
        out.msg_control = space.data();
        out.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&out);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    check(static_cast<int>(::sendmsg(socket, &out, MSG_NOSIGNAL)), "sendmsg({} bytes, {} fds)",
          text.size(), fds.size());
}

FdMessage receive_fd_message(int socket) {
    std::string text(kLongestMessage, '\0');
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
    iovec data{.iov_base = text.data(), .iov_len = text.size()};
    msghdr in{};
    in.msg_iov = &data;
    in.msg_iovlen = 1;
    in.msg_control = control.data();
    in.msg_controllen = control.size();
    const auto size = ::recvmsg(socket, &in, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0) {
        const bool later = errno == EAGAIN || errno == EINTR;
        return {.kind = later ? FdMessage::Kind::Nothing : FdMessage::Kind::End};
    }
    FdMessage message;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&in);
        header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        std::array<int, kMostFds> fds{};
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        std::memcpy(fds.data(), CMSG_DATA(header), count * sizeof(int));
        for (std::size_t i = 0; i < count; ++i) {
            message.fds.emplace_back(fds.at(i));
        }
    }
    text.resize(static_cast<std::size_t>(size));
    const bool is_whole = size > 0 && (in.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    message.kind = is_whole ? FdMessage::Kind::Whole : FdMessage::Kind::End;
    message.text = std::move(text);
    return message;
}

std::pair<UniqueFd, UniqueFd> fd_message_pair() {
    std::array<int, 2> pair{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()),
          "socketpair(AF_UNIX, SOCK_SEQPACKET)");
    return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

}  // namespace drydock
