#pragma once

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// While it lives, its thread is in another network namespace; then it is back in its own. Sockets
/// that were opened there stay there, and so do the settings below /proc/sys/net that were written.
/// Other threads notice nothing.
class [[nodiscard]] VisitedNetwork {
  public:
    /// @param network a network namespace, open for reading
    /// @throws std::system_error EPERM without CAP_SYS_ADMIN, EINVAL when it is no such namespace
    explicit VisitedNetwork(int network);
    /// Ends the process when there is no way back: a thread in a container's network is none of
    /// ours.
    ~VisitedNetwork();
    VisitedNetwork(const VisitedNetwork&) = delete;
    VisitedNetwork& operator=(const VisitedNetwork&) = delete;
    VisitedNetwork(VisitedNetwork&&) = delete;
    VisitedNetwork& operator=(VisitedNetwork&&) = delete;

  private:
    UniqueFd home_;
};

/// A new network namespace, which holds a loopback interface that is down and nothing else. It
/// lives as long as a process is in it or somebody has it open.
/// @throws std::system_error EPERM without CAP_SYS_ADMIN, ENOSPC (user.max_net_namespaces)
/// @see    network_namespaces(7), unshare(2)
UniqueFd make_network_namespace();

/// The one this thread is in.
UniqueFd own_network_namespace();

}  // namespace drydock
