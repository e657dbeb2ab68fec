#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace drydock {

/// IDs inside..inside+count-1 of a user namespace are outside..outside+count-1 of its parent.
struct IdRange {
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t count = 0;
};

struct IdMaps {
    std::vector<IdRange> uids{};
    std::vector<IdRange> gids{};
};

/// What the caller may map without help: root the first 65536 IDs to themselves; anybody else root
/// inside to themselves, which is one ID.
IdMaps own_id_maps();

/// @return whether `id` has an ID outside
bool maps(const std::vector<IdRange>& ranges, std::uint32_t id);

/// Gives the process `pid`, in a new user namespace, its IDs. A caller without CAP_SETGID first has
/// setgroups(2) denied there: by dropping a group one could get past a file mode that shuts this
/// group out.
/// @throws std::system_error EPERM, EINVAL (ranges overlap, or are not the caller's to give)
/// @see    user_namespaces(7), "Defining user and group ID mappings"
void write_id_maps(pid_t pid, const IdMaps& maps);

/// Makes the caller user and group 0 of its user namespace, once it has an ID map.
void become_root_inside();

}  // namespace drydock
