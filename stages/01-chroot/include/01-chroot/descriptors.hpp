#pragma once

#include <span>

namespace drydock {

/// Closes every descriptor of this process but `keep` (which may hold -1 and repeat itself): what
/// is left open in a process that others can see is a door to the host (CVE-2024-21626). Owners of
/// what is closed must not be destroyed any more, so this is for a child that leaves by execve or
/// _exit.
/// @see close_range(2)
void close_descriptors_but(std::span<const int> keep);

/// @throws InputError unless descriptors 3 to 2 + `count` are open: one of ours would be given away
/// in the place of one that is not
void check_preserved_descriptors(unsigned count);

}  // namespace drydock
