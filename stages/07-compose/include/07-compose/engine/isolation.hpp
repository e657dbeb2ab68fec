#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/devices.hpp"
#include "03-cgroups/oci_config.hpp"

namespace drydock {

struct ContainerOptions;

inline constexpr std::int64_t kDefaultShmBytes = std::int64_t{64} << 20U;

/// A device of the host that a container may use. @see docker run --device
struct DeviceMapping {
    std::string host{};          ///< a node, or a directory whose nodes are all meant
    std::string inside{};        ///< "": at the same place
    std::string access = "rwm";  ///< read, write, mknod
    bool operator==(const DeviceMapping&) const = default;
};

/// What stands between a container and the machine, as far as a client asked for other than the
/// default: less of it, or more.
struct Isolation {
    bool privileged = false;
    std::vector<std::string> cap_add{};  ///< "NET_ADMIN", "CAP_NET_ADMIN", "ALL"
    std::vector<std::string> cap_drop{};
    bool no_new_privileges = false;
    /// "unconfined", or a profile: docker's JSON. Nothing: the default one.
    std::optional<std::string> seccomp{};
    std::string apparmor{};             ///< "": the kernel's choice
    std::vector<std::string> groups{};  ///< names or numbers, beyond the user's own
    std::map<std::string, std::string> sysctls{};
    std::vector<oci::Rlimit> rlimits{};
    std::vector<DeviceMapping> devices{};
    std::vector<DeviceRule> device_rules{};
    std::string pid_mode{};     ///< "", "host", "container:ID"
    std::string ipc_mode{};     ///< "", "private", "none", "host", "shareable", "container:ID"
    std::string uts_mode{};     ///< "", "host"
    std::string cgroup_mode{};  ///< "", "private", "host": of the cgroup namespace
    std::string cgroup_parent{};
    std::int64_t shm_bytes = kDefaultShmBytes;  ///< of /dev/shm
    std::optional<int> oom_score_adj{};
    std::optional<std::vector<std::string>> masked_paths{};
    std::optional<std::vector<std::string>> readonly_paths{};
};

/// "c 1:3 rwm", "b 8:* r" as a rule that allows.
/// @throws InputError in docker's words
DeviceRule parse_device_rule(const std::string& text);

/// The name behind "container:NAME"; nothing for other modes.
std::optional<std::string> joined_container(std::string_view mode);

/// What the machine cannot do is found out now, not when the container starts.
/// @throws InputError naming what was asked for, and what would be right: a capability or a limit
/// that we may not give, a device that is not there, a mode that there is not
void check_isolation(const Isolation& isolation);

/// Puts it into what a bundle is made from, after check_isolation(). Modes that name another
/// container are the engine's.
void put_isolation(const Isolation& isolation, ContainerOptions& options);

/// What a client is told at the creation: what was asked for as a whole ("ALL", privileged) and
/// cannot be given whole.
std::vector<std::string> isolation_warnings(const Isolation& isolation);

/// "linux.seccomp" of a config.json for a profile of docker's kind, whose rules may hold for some
/// capabilities, architectures and kernels only.
/// @param capabilities names as "CAP_SYS_ADMIN"
/// @throws InputError naming the place
std::string oci_seccomp(std::string_view profile, const std::vector<std::string>& capabilities);

}  // namespace drydock
