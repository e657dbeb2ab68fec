#pragma once

#include <string>

#include "02-namespaces/mount.hpp"

namespace drydock {

/// Where below the directory open as `root` the file open as `target` is, after all links: "/dev".
std::string place_in_root(int root, int target);

/// A root can hold a symbolic link, or a volume, where the kernel's own views of itself belong;
/// what is written there later would go elsewhere (CVE-2019-19921, CVE-2023-27561).
/// @throws InputError when /proc, /sys, /dev or what the kernel shows below them would not be
///         mounted where `spec` says; when something else than a proc filesystem would be mounted
///         at /proc, or anything below it but the few files that show a container's own figures
void check_mount_place(int root, int target, const MountSpec& spec);

}  // namespace drydock
