#pragma once

#include "03-cgroups/limits.hpp"

namespace drydock {

/// Whether this machine's kernel can limit the swap of a cgroup.
bool counts_swap();

/// Docker's rule: who has a limit of memory, and none of swap, gets as much swap as memory. Where
/// the kernel does not count swap, nothing changes.
void limit_swap_by_memory(Limits& limits);

}  // namespace drydock
