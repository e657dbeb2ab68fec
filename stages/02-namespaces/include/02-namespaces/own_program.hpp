#pragma once

namespace drydock {

/// Returns in a process whose program nobody can write to through /proc/PID/exe, whatever they may
/// do: before that it starts this program once more, from a mount of its own that is read-only and
/// nowhere to be found, or where we may make no mounts, from a sealed copy in memory. A container
/// can make its runtime execute itself in it (`#!/proc/self/exe`), and would overwrite it on the
/// host.
/// A program that is linked with drydock_protected_start() (CMake) is so before its C library has
/// begun to start, and this only looks; docs/decisions/0005.
/// @param argv as main() got it
/// @see CVE-2019-5736; open_tree(2), memfd_create(2), "File sealing"
void protect_own_program(char** argv);

}  // namespace drydock
