#pragma once

#include <string>
#include <vector>

#include "04-layers/tar_entry.hpp"

namespace drydock {

// Owner, extended attributes, mode and times, in the order in which none undoes another: chown(2)
// clears setuid bits and file capabilities, every change but utimensat(2) changes times.

/// Owner and extended attributes of what is open as `fd`.
/// @throws RefusedEntry when the entry's owner is no user ID
void set_owner_and_attributes(int fd, const TarEntry& entry);
/// All of it.
void set_metadata(int fd, const TarEntry& entry);
/// The same for what cannot be opened without effects: a symbolic link, device or fifo.
void set_metadata_at(int parent, const std::string& name, const TarEntry& entry);

/// What is open as `to` looks like `from` afterwards.
void copy_metadata(int from, int to);

/// The extended attributes that belong into a layer, sorted.
std::vector<ExtendedAttribute> portable_attributes(int fd);
std::vector<ExtendedAttribute> portable_attributes_at(int parent, const std::string& name);

}  // namespace drydock
