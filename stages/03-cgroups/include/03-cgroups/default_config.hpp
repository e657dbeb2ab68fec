#pragma once

#include <string>

namespace drydock {

/// A config.json with the default posture, to begin a bundle with: docker's fourteen capabilities
/// and none of them inheritable or ambient, docker's masked and read-only paths, a filter of system
/// calls, no devices but the usual ones, no new privileges, limits of processes.
/// @param rootless for a caller without privileges: a user namespace with the caller's own ID, no
/// limits
std::string default_config(bool rootless);

/// What this runtime can do, as JSON. @see OCI runtime-spec, features.md
std::string features();

}  // namespace drydock
