#pragma once

#include <span>
#include <string>
#include <vector>

#include "03-cgroups/devices.hpp"

namespace drydock {

/// One write to devices.allow or devices.deny.
struct DeviceWrite {
    bool allow = false;
    std::string text{};  ///< "c 1:3 rwm", "a"
    bool operator==(const DeviceWrite&) const = default;
};

/// The writes that make a group of cgroup v1 decide as `rules` do, whatever it was told before. v1
/// knows one answer for all devices and exceptions from it, not rules in order: an exception from
/// an exception cannot be said.
/// @throws InputError for rules that v1 cannot follow exactly, naming the one
std::vector<DeviceWrite> device_writes_v1(std::span<const DeviceRule> rules);

}  // namespace drydock
