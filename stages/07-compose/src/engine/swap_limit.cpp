#include "engine/swap_limit.hpp"

#include <filesystem>
#include <system_error>

namespace drydock {
namespace {

namespace fs = std::filesystem;

/// v2: the root of the tree has no limits, so that a group below it tells.
bool a_group_limits_swap(const fs::path& tree) {
    std::error_code nothing;
    for (const auto& entry : fs::directory_iterator(tree, nothing)) {
        if (fs::exists(entry.path() / "memory.swap.max", nothing)) {
            return true;
        }
    }
    return fs::exists(tree / "memory.swap.max", nothing);
}

}  // namespace

bool counts_swap() {
    const fs::path tree = "/sys/fs/cgroup";
    std::error_code nothing;
    return fs::exists(tree / "memory" / "memory.memsw.limit_in_bytes", nothing) ||
           a_group_limits_swap(tree);
}

void limit_swap_by_memory(Limits& limits) {
    if (limits.memory_bytes && !limits.memory_swap_bytes && counts_swap()) {
        limits.memory_swap_bytes = 2 * *limits.memory_bytes;
    }
}

}  // namespace drydock
