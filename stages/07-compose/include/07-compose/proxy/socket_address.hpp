#pragma once

#include <sys/socket.h>

#include "02-namespaces/ip_address.hpp"

namespace drydock {

/// What bind(2) and connect(2) take.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};
SocketAddress socket_address(const IpAddress& address, int port);

}  // namespace drydock
