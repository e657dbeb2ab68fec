#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock::cli {

/// The folders of a Drydock of which nobody has said where it is.
struct Roots {
    std::filesystem::path
        data{};  ///< what must survive a reboot: $DRYDOCK_DATA_ROOT, or /var/lib/drydock
    std::filesystem::path
        run{};  ///< what a reboot should forget: $DRYDOCK_RUN_ROOT, or /run/drydock
};
/// From the environment; without root: $XDG_DATA_HOME/drydock and $XDG_RUNTIME_DIR/drydock.
Roots default_roots();

/// Where a daemon listens.
struct Host {
    std::string
        name{};  ///< as in messages: "unix:///run/drydock/drydock.sock", "tcp://127.0.0.1:2375"
    std::string path{};     ///< of the socket; empty for tcp
    std::string address{};  ///< tcp: IPv4 or IPv6 in numbers, "localhost" is 127.0.0.1
    std::uint16_t port = 0;
    bool is_default = false;  ///< nobody named it: a daemon may be started there
};

/// @param text "unix://PATH", "tcp://ADDRESS:PORT"
/// @throws InputError naming what would be right; NotImplemented for other schemes Docker knows
/// (ssh, npipe, fd)
Host parse_host(const std::string& text);

/// `flag` if it is not empty, else $DRYDOCK_HOST, else $DOCKER_HOST, else drydock.sock in the run
/// root.
Host chosen_host(const std::string& flag);

/// A connected stream socket.
/// @throws std::system_error ENOENT or ECONNREFUSED when nobody listens there
UniqueFd connect_to(const Host& host);

}  // namespace drydock::cli
