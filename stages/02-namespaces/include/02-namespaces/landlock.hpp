#pragma once

namespace drydock {

/// Whether this kernel can shut processes off from the abstract Unix sockets of others
/// (Linux 6.12).
bool can_scope_abstract_sockets();

/// From here on this process and its children reach no abstract Unix socket of a process that was
/// there before: such sockets live in a network namespace, so a container that shares the host's
/// would find those of the host's daemons, whatever its root is (CVE-2020-15257). Nothing happens
/// where the kernel cannot do that.
/// @pre no_new_privs is set, or the caller has CAP_SYS_ADMIN
/// @see landlock(7); unix(7), "Abstract sockets"
void scope_abstract_sockets();

}  // namespace drydock
