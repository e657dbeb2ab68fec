#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/oci_config.hpp"
#include "07-compose/engine/container.hpp"
#include "07-compose/network/endpoint.hpp"

namespace drydock {

// The three files that tell a container of its network lie in its directory and are bound over
// /etc/hosts, /etc/hostname and /etc/resolv.conf. They are written in place: whoever has them bound
// sees what changes while the container runs.

/// Makes the three, empty, and gives back their mounts. None for the network mode "none", whose
/// container has its image's; another container's for "container:x".
/// @param directory of the container whose files they are
std::vector<oci::Mount> etc_mounts(const std::filesystem::path& directory, const std::string& mode);
void make_etc_files(const std::filesystem::path& directory);

/// Fills them.
/// @param host_gateway what "host-gateway" in --add-host stands for
void write_etc_files(const std::filesystem::path& directory, const Container& container,
                     const NetworkLease& lease, const IpAddress& host_gateway);

/// @throws InputError for --add-host and --dns values that are none
void check_etc_settings(const NetworkSettings& settings);

/// /etc/hosts of a container with these addresses.
std::string hosts_text(const Container& container, const NetworkLease& lease,
                       const IpAddress& host_gateway);
/// What the container's resolver is told.
/// @param of_host the host's /etc/resolv.conf
std::string resolv_text(const Container& container, const NetworkLease& lease,
                        std::string_view of_host);

/// What a resolv.conf says.
struct ResolverSettings {
    std::vector<std::string> servers{};  ///< addresses
    std::vector<std::string> search{};
    std::vector<std::string> options{};
};
ResolverSettings parse_resolv_conf(std::string_view text);

/// Whether containers of that network find each other by name.
bool has_names(const std::string& network_name);
/// Where they ask: an address of the container's own loopback.
inline constexpr std::string_view kNameServer = "127.0.0.11";

}  // namespace drydock
