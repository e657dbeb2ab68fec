#pragma once

#include <cstdint>
#include <filesystem>

namespace drydock {

/// Moves this process into the namespaces `flags` (CLONE_NEW*) of the process that `pidfd` refers
/// to, all at once. A PID namespace holds for children made from here on. The caller must have one
/// thread only.
/// @throws std::system_error EPERM, ESRCH
/// @see    setns(2)
void join_namespaces(int pidfd, std::uint64_t flags);

/// The same for one namespace, that of `path` (/proc/PID/ns/net, or where it is bound).
/// @throws std::system_error EINVAL when it is no namespace of the kind `flag`
void join_namespace(const std::filesystem::path& path, std::uint64_t flag);

/// This process is in new namespaces `flags`, which belong to its user namespace. A PID namespace
/// holds for children made from here on.
/// @throws std::system_error EPERM
/// @see    unshare(2)
void make_namespaces(std::uint64_t flags);

}  // namespace drydock
