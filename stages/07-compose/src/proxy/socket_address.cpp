#include "07-compose/proxy/socket_address.hpp"

#include <netinet/in.h>

#include <cstring>

namespace drydock {

SocketAddress socket_address(const IpAddress& address, int port) {
    SocketAddress result;
    if (address.is_v6()) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof(v6.sin6_addr));
        result.length = sizeof(v6);
        std::memcpy(&result.storage, &v6, sizeof(v6));
    } else {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof(v4.sin_addr));
        result.length = sizeof(v4);
        std::memcpy(&result.storage, &v4, sizeof(v4));
    }
    return result;
}

}  // namespace drydock
