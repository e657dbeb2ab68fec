#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

// Directories of a store, which several processes use at once.

/// Opens the directory `path` and makes what is missing of it, mode 0700. Each new one is on disk,
/// also after a power cut, when this returns.
/// @throws InputError when something that is no directory is in the way
UniqueFd make_directory(const std::filesystem::path& path);
/// The same for one name below the open directory `parent`.
UniqueFd make_directory_at(int parent, const std::string& name);

/// The names in the directory, sorted, without "." and "..".
std::vector<std::string> names_in(int directory);

/// `prefix` and 16 random hexadecimal digits: a name in a shared directory that no other process,
/// of whatever PID namespace or boot, has.
std::string unused_name(std::string_view prefix);

/// Removes the tree `name` below `directory`: first renamed into the directory `trash`, so that
/// nobody ever sees half of it, then removed. Nothing there is fine.
void remove_through_trash(int directory, const std::string& name, int trash);

}  // namespace drydock
