#pragma once

#include <filesystem>
#include <string>

namespace drydock {

struct DaemonOptions {
    std::string host{};  ///< "unix:///path"; empty: drydock.sock in run_root
    std::filesystem::path data_root{};
    std::filesystem::path run_root{};
    int outer = -1;  ///< rootless: a socket to who is outside of our namespaces (rootless.hpp)
    unsigned downloads_at_once = 0;  ///< layers of each pull; 0: daemon.json's number, else 3
    unsigned uploads_at_once = 0;    ///< layers of each push; 0: daemon.json's number, else 5
    bool no_nat = false;             ///< ports by proxies, as on kernels without nftables NAT
};

/// /var/lib/drydock and /run/drydock; for who is not root, drydock in $XDG_DATA_HOME and in
/// $XDG_RUNTIME_DIR.
DaemonOptions default_daemon_options();

/// Serves until SIGTERM or SIGINT. Containers go on then: each has a shim, and the next daemon
/// takes them up.
/// @return 0
/// @throws InputError for an address that is none, another daemon with the same data root
int run_daemon(const DaemonOptions& options);

}  // namespace drydock
