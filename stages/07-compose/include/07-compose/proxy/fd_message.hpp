#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// A message on a socket AF_UNIX, SOCK_SEQPACKET, with the descriptors that came beside it.
struct FdMessage {
    enum class Kind { Whole, Nothing, End } kind = Kind::End;  ///< Nothing: none is there yet
    std::string text{};
    std::vector<UniqueFd> fds{};
};

/// @throws std::system_error EPIPE when nobody is there (any more), EMSGSIZE
void send_fd_message(int socket, std::string_view text, std::span<const int> fds);

/// Does not wait. What has been cut short, or has more than two descriptors, is an End.
FdMessage receive_fd_message(int socket);

/// Two ends of such a socket.
/// @throws std::system_error
std::pair<UniqueFd, UniqueFd> fd_message_pair();

}  // namespace drydock
