#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/ip_address.hpp"

namespace drydock {

// drydock-proxy: published ports of one container where the kernel cannot forward them. It outlives
// the daemon as the shim does, and ends with the container.
//
// The daemon tells it what to do on a socket (AF_UNIX, SOCK_SEQPACKET), its standard input:
//   "PROTOCOL ADDRESS PORT" and a bound socket   what comes there goes on to ADDRESS, PORT
//   "life" and a pidfd                           end when that process does
// When the daemon hangs up before it has sent "life", the start has failed, and the proxy ends.

/// What the first of the two messages says.
struct ProxyTarget {
    std::string protocol{};  ///< "tcp", "udp", "sctp"
    IpAddress address{};
    int port = 0;
    bool operator==(const ProxyTarget&) const = default;
};
std::string to_message(const ProxyTarget& target);
/// Nothing for what is no such message.
std::optional<ProxyTarget> parse_proxy_target(std::string_view message);
inline constexpr std::string_view kProxyLife = "life";

/// Does all that until the container's end.
/// @param control that socket
/// @throws std::system_error when the kernel does not let it listen
void run_port_proxy(UniqueFd control);

/// Sends one message, with a descriptor.
/// @throws std::system_error EPIPE when the proxy has ended
void tell_proxy(int control, std::string_view message, int fd);

}  // namespace drydock
