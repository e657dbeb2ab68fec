#pragma once

#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/state.hpp"
#include "07-compose/proxy/port_proxy.hpp"

namespace drydock {

/// A port that a proxy shall serve.
struct ProxiedPort {
    ProxyTarget target{};
    UniqueFd socket{};  ///< bound to the host's side of it
};

/// A running drydock-proxy (port_proxy.hpp).
struct ProxyProcess {
    ProcessIdentity process{};
    UniqueFd control{};  ///< until the container runs
};

/// Starts one; it serves from here on, and ends when `control` is closed.
/// @throws std::system_error, SetupError
ProxyProcess start_proxy(const std::vector<ProxiedPort>& ports);

/// It ends with that process from now on, and not when the daemon does.
void tie_proxy_to(ProxyProcess& proxy, int pidfd);

/// It has ended, and its ports are free, when this returns. Nothing happens when it has already, or
/// when there was none.
void end_proxy(const ProcessIdentity& proxy);

}  // namespace drydock
