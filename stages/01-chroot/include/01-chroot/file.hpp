#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Opens, close-on-exec.
/// @param flags O_* as for open(2); @param mode permission bits if O_CREAT makes the file
/// @throws std::system_error naming path and flags
UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode = 0);
/// The same, relative to the directory `dir` (AT_FDCWD: the working directory).
UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode = 0);

/// Everything from the descriptor's position to the end of the file.
/// @throws InputError when there are more than `limit` bytes: nothing that a user names is read
/// without a bound
std::string read_all(int fd, std::size_t limit, std::string_view name_for_errors);
/// The whole file at `path`.
std::string read_file(const std::filesystem::path& path,
                      std::size_t limit = std::size_t{16} << 20U);

/// Writes all of `bytes`, however many write(2) calls it takes.
void write_all(int fd, std::string_view bytes, std::string_view name_for_errors);
/// Writes `bytes` in one write(2) call to a file that exists: what files of procfs and cgroupfs
/// need.
void write_once(int dir, const std::string& path, std::string_view bytes);

/// What a replaced file outlives.
enum class Lasts {
    PowerCut,  ///< takes fsync: milliseconds on a disk
    Kill,      ///< no fsync: for what a reboot makes meaningless
};
/// Replaces the file `name` in the directory `dir` whole: afterwards, and after what `lasts` names
/// at any moment, it holds either the old bytes or the new ones. (Temporary file beside it, fsync,
/// rename, fsync of the directory.)
void replace_file(int dir, const std::string& name, std::string_view bytes, mode_t mode = 0600,
                  Lasts lasts = Lasts::PowerCut);

}  // namespace drydock
