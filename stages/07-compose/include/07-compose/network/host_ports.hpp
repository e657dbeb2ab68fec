#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/network/endpoint.hpp"
#include "07-compose/network/settings.hpp"

namespace drydock {

/// One port of a container that shall be reachable, and which ports of the host will do.
struct PortRequest {
    std::string protocol{};  ///< "tcp", "udp", "sctp"
    int container_port = 0;
    IpAddress host_address{};  ///< 0.0.0.0: any of the host's
    bool any_family = false;   ///< the same port of [::] as well, if the host has IPv6
    int first = 0;             ///< 0: an ephemeral one
    int last = 0;
};

/// What -p, -P and EXPOSE together ask for.
/// @param everywhere what a binding that names no address is bound to; none: 0.0.0.0
/// @throws InputError in docker's words
std::vector<PortRequest> port_requests(const NetworkSettings& settings,
                                       const std::vector<std::string>& exposed,
                                       const IpAddress& everywhere);

/// "80/tcp", "80" (tcp), checked. @throws InputError "invalid port …"
struct ContainerPort {
    int port = 0;
    std::string protocol{};
};
ContainerPort parse_container_port(const std::string& text);

/// A socket that has that port of the host, or the errno of why it cannot have it; neither for SCTP
/// where the kernel has no such sockets, but forwards its packets all the same.
using BindPort = std::function<std::pair<UniqueFd, int>(const PublishedPort& port)>;
/// In the network namespace of the caller.
std::pair<UniqueFd, int> bind_here(const PublishedPort& port);

/// Which of the host's ports are given to containers. Each is held by a socket as well, so that no
/// program of the host takes it meanwhile; the socket does not listen: packets are sent on before
/// they reach it.
class HostPorts {
  public:
    explicit HostPorts(BindPort bind = bind_here) : bind_(std::move(bind)) {}

    /// Takes what is asked for, all of it or nothing.
    /// @throws SetupError in docker's words: "Bind for 0.0.0.0:8080 failed: port is already
    /// allocated"
    std::vector<PublishedPort> reserve(const std::string& owner,
                                       const std::vector<PortRequest>& requests);
    /// Takes what a container that an earlier daemon started has; who took a port meanwhile keeps
    /// it.
    void adopt(const std::string& owner, const std::vector<PublishedPort>& ports);
    void release(const std::string& owner);
    /// Takes again what another process held for that owner, and holds no more.
    void hold_again(const std::string& owner);
    /// A descriptor of the socket that holds the port; none when another process holds it.
    [[nodiscard]] UniqueFd socket_of(const std::string& owner, const PublishedPort& port) const;

  private:
    struct Held {
        std::string owner{};
        PublishedPort port{};
        UniqueFd socket{};
    };
    [[nodiscard]] bool is_taken(const PublishedPort& port) const;
    std::vector<PublishedPort> reserve_one(const std::string& owner, const PortRequest& request);
    bool hold(const std::string& owner, const PublishedPort& port, int& error);
    bool hold_twin(const std::string& owner, std::vector<PublishedPort>& ports, int& error);

    BindPort bind_;
    std::vector<Held> held_{};
    int next_ephemeral_ = 0;  ///< where the search goes on; 0: at the beginning
};

}  // namespace drydock
