#pragma once

#include <cstdint>

namespace drydock {

/// What every container has for itself: CLONE_NEWNS, NEWPID, NEWUTS, NEWIPC, NEWCGROUP.
/// @see namespaces(7)
std::uint64_t default_namespaces();

/// Whether this process may make those without a user namespace: it has CAP_SYS_ADMIN.
bool may_make_namespaces();

/// Says why nobody but root can run containers here.
/// @throws SetupError "no root and no user namespaces: …" with what would change that, unless a
/// user namespace can be had
void require_user_namespaces();

}  // namespace drydock
