#pragma once

#include <span>
#include <string>
#include <string_view>

#include "03-cgroups/oci_config.hpp"

namespace drydock {

/// Runs each of `hooks` in turn, in the namespaces of the calling process, which must have one
/// thread, with the container's state on standard input.
/// @param kind "createRuntime", for the error's text
/// @throws SetupError when one fails, cannot be run, or takes longer than its timeout: it is killed
/// then, with all it started in its session
/// @see OCI runtime-spec, config.md, "POSIX-platform Hooks"
void run_hooks(std::string_view kind, std::span<const oci::Hook> hooks, const std::string& state);

/// The same for hooks whose failure changes nothing any more. @return what went wrong
std::string run_late_hooks(std::string_view kind, std::span<const oci::Hook> hooks,
                           const std::string& state);

}  // namespace drydock
