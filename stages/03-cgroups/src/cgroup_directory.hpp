#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

// Directories of a cgroup file system, v1 or v2. Each function refuses a directory of any other
// file system: a group's name comes from outside, and what stands at it may be anything.

struct CgroupDirectory {
    std::filesystem::path path{};
    UniqueFd fd{};
};

/// @throws std::system_error; InputError when it is no cgroup's
CgroupDirectory open_cgroup_directory(const std::filesystem::path& path);
/// Does `open`, unless whoever keeps the group removes it in this moment.
void unless_gone(const std::function<void()>& open);
/// Whether `path` is a directory of a cgroup file system.
bool is_cgroup_directory(const std::filesystem::path& path);

/// Makes `path` below `base`, one part at a time. Above the last part `prepare_parent` is called
/// for each directory on the way, `base` first: v2 switches controllers on there. Nobody is in the
/// result.
/// @throws InputError when it is there and somebody is in it
CgroupDirectory make_cgroup_directory(const CgroupDirectory& base, const std::string& path,
                                      void (*prepare_parent)(const CgroupDirectory&));

/// Removes the group and those below it. Nothing there is fine. @return false while a process is in
/// one of them
bool try_remove_cgroup_directory(const std::filesystem::path& path);

/// Removes each, and the "drydock/" above it when that is empty, best effort.
/// @return the first directory in which a process still is; "" when all are gone
std::filesystem::path remove_group_directories(const std::vector<std::filesystem::path>& paths);

/// The processes in it and in the groups below it.
std::vector<pid_t> processes_below(const std::filesystem::path& path);

bool has_file(const CgroupDirectory& directory, const std::string& file);
/// A file's text; "" when there is no such file.
std::string read_text(const CgroupDirectory& directory, const std::string& file);
/// A file's first line; nothing when there is no such file.
std::optional<std::string> read_value(const CgroupDirectory& directory, const std::string& file);
/// The same as a number; -1 when there is no such file, or it holds a word ("max").
std::int64_t read_number(const CgroupDirectory& directory, const std::string& file);
/// The number behind `key` in a file of "key number" lines; -1 when it is not there.
std::int64_t read_keyed(const CgroupDirectory& directory, const std::string& file,
                        std::string_view key);

/// The number behind `key` in a text of "key number" lines; -1 when it is not there.
std::int64_t keyed_number(std::string_view text, std::string_view key);
/// A number of a file; -1 for anything else.
std::int64_t cgroup_number(std::string_view text);

/// Our own group in the tree of `controller` ("" for v2), as a path below the tree's root without
/// leading "/".
std::optional<std::string> own_group(std::string_view controller);

}  // namespace drydock
