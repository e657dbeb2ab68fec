#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "02-namespaces/id_map.hpp"
#include "07-compose/api/daemon.hpp"
#include "07-compose/network/host_ports.hpp"

namespace drydock {

// A daemon that an ordinary user starts lives in namespaces of its own: in a user namespace it may
// do what root does (bridges, NAT, mounts), with the IDs that /etc/subuid and /etc/subgid give this
// user. The process that was started stays outside and does the one thing that is left to do there:
// it takes ports of the host. A third one holds the namespaces, so that containers, and the next
// daemon, have them when a daemon is killed.

/// Whether the caller may not do a daemon's work as it is.
bool needs_rootless();

/// run_daemon() in namespaces of its own, new or an earlier daemon's. What cannot be had there is
/// said once, on standard error.
/// @return its exit status
/// @throws std::system_error, SetupError when this kernel gives ordinary users no namespaces
int run_rootless(const DaemonOptions& options);

/// Takes ports of the host through the process outside.
/// @param outer a socket to it
BindPort bind_outside(int outer);

/// The IDs that such a daemon has: the user's own as root, and behind it the first range that
/// `subuid` and `subgid` (their text) give the user; the one ID if there is none.
IdMaps rootless_id_maps(std::string_view subuid, std::string_view subgid, const std::string& user,
                        unsigned uid, unsigned gid);

}  // namespace drydock
