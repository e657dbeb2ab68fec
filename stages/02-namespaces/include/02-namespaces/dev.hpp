#pragma once

#include <sys/types.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "02-namespaces/mount.hpp"

namespace drydock {

/// A device node, under mknod(2)'s names.
struct DeviceNode {
    std::string path{};  ///< absolute, inside the root
    mode_t mode = 0666;  ///< permission bits
    mode_t type = 0;     ///< S_IFCHR, S_IFBLK or S_IFIFO
    unsigned major = 0;
    unsigned minor = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

struct MountChoices {
    bool host_network = false;    ///< the network namespace is the host's
    bool user_namespace = false;  ///< we are in a user namespace that we made
    bool maps_tty_group = true;   ///< group 5 has an ID in that user namespace
};

/// What every container has mounted: /proc, /dev (tmpfs), /dev/pts, /dev/shm, /dev/mqueue, /sys.
/// @see OCI runtime-spec, config-linux.md, "Default Filesystems"
std::vector<MountSpec> default_mounts(const MountChoices& choices = {});

/// /dev/null, zero, full, random, urandom, tty.
/// @see OCI runtime-spec, config-linux.md, "Default Devices"
std::vector<DeviceNode> default_devices();

/// Makes the nodes inside the directory `rootfs`. In a user namespace, where mknod gives EPERM, the
/// host's node of the same path is bound instead, once it has been seen to be that very device.
void make_devices(const std::filesystem::path& rootfs, std::span<const DeviceNode> devices);

/// Makes /dev/fd, stdin, stdout, stderr, and ptmx -> pts/ptmx inside the directory `rootfs`.
void make_device_links(const std::filesystem::path& rootfs);

}  // namespace drydock
