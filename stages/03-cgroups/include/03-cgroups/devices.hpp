#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace drydock {

/// Allows or denies a group the use of devices. About each access the last rule that matches
/// decides; what none matches is denied.
/// @see OCI runtime-spec, config-linux.md, "Allowed Device list"
struct DeviceRule {
    bool allow = false;
    char type = 'a';             ///< 'c' character, 'b' block, 'a' both
    std::int64_t major = -1;     ///< -1: any
    std::int64_t minor = -1;     ///< -1: any
    std::string access = "rwm";  ///< read, write, mknod
    bool operator==(const DeviceRule&) const = default;
};

/// No device but null, zero, full, random, urandom, tty, console, ptmx and the terminals; nodes may
/// be made of any, for what a rule denies cannot be opened through its node either.
std::vector<DeviceRule> default_device_rules();

/// As cgroup v1's devices.allow and devices.deny take it: "c 1:3 rwm", "a".
std::string to_text(const DeviceRule& rule);

}  // namespace drydock
