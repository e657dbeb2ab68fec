#pragma once

#include <filesystem>

#include "03-cgroups/state.hpp"

namespace drydock {

/// Namespaces of an ordinary user: user, mount, network.
struct RootlessNamespaces {
    ProcessIdentity holder{};   ///< a process that does nothing but be in them
    ProcessIdentity network{};  ///< pasta or slirp4netns; pid 0: no way to the outside
};

/// Those that an earlier daemon with that run root made, or new ones.
/// @throws std::system_error, SetupError
RootlessNamespaces rootless_namespaces(const std::filesystem::path& run_root);

/// Ends the two processes.
void end_rootless_namespaces(const RootlessNamespaces& namespaces,
                             const std::filesystem::path& run_root);

/// The caller, which must have one thread, is root in them.
void enter_rootless_namespaces(const RootlessNamespaces& namespaces);

}  // namespace drydock
