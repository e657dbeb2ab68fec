#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"

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

/// A user namespace with these IDs that nobody is in. It lives as long as the descriptor, or what
/// it was given to.
/// @throws what write_id_maps() throws
UniqueFd user_namespace_with(const IdMaps& maps);

/// Gives the process `pid`, in a new user namespace, its IDs. A caller without CAP_SETGID first has
/// setgroups(2) denied there: by dropping a group one could get past a file mode that shuts this
/// group out. What such a caller may not map itself, newuidmap(1) and newgidmap(1) map for it, as
/// /etc/subuid and /etc/subgid say.
/// @throws std::system_error EPERM, EINVAL (ranges overlap, or are not the caller's to give)
/// @see    user_namespaces(7), "Defining user and group ID mappings"
void write_id_maps(pid_t pid, const IdMaps& maps);

/// Makes the caller user and group 0 of its user namespace, once it has an ID map; when 0 has no ID
/// there, the first that has. Supplementary groups go, where they may.
void become_root_inside();
void become_first_inside(const IdMaps& maps);

}  // namespace drydock
