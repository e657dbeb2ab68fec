#pragma once

#include <linux/bpf.h>

#include <span>
#include <vector>

#include "03-cgroups/devices.hpp"

namespace drydock {

/// A program that decides as the rules say: about each access (read, write, mknod) the last rule
/// that matches does, and without one it is denied. It runs, in the kernel, at each open and mknod
/// of a device. @see the kernel's cgroup-v2.rst, "Device controller"
std::vector<bpf_insn> compile_device_filter(std::span<const DeviceRule> rules);

/// From here on the group's processes may use only the devices that `rules` allow; a filter that
/// was attached before is replaced.
/// @param group a directory of cgroup v2
/// @throws std::system_error EPERM without CAP_SYS_ADMIN (CAP_BPF and CAP_NET_ADMIN do too)
void attach_device_filter(int group, std::span<const DeviceRule> rules);

}  // namespace drydock
