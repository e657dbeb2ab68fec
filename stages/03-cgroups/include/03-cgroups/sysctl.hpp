#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace drydock {

/// Only keys of which each namespace has its own value, and only when that namespace is not the
/// host's: anything else would change the host.
/// @param namespaces CLONE_NEW* of those that are not the host's
/// @throws InputError naming the key
void check_sysctls(const std::map<std::string, std::string>& values, std::uint64_t namespaces);

/// The step "sysctl": writes each value to /proc/sys, once this process is in its namespaces and
/// while /proc is still the host's, which no image can have tampered with (CVE-2025-52881): a
/// sysctl's file shows the value of the namespace of who opens it.
/// @throws InputError when /proc is no proc file system
void set_sysctls(const std::map<std::string, std::string>& values);

}  // namespace drydock
