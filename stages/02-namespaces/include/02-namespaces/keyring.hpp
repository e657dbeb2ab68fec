#pragma once

#include <string>

namespace drydock {

/// The session of this process has a keyring of its own, the one of that name if there is one, else
/// a new one: keys of the host's session, which a container's processes would possess as well, are
/// out of reach. Does nothing where the kernel has no keyrings.
/// @see session-keyring(7), keyctl(2), "KEYCTL_JOIN_SESSION_KEYRING"
void join_keyring(const std::string& name);

}  // namespace drydock
