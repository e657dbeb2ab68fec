#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "07-compose/engine/time_text.hpp"

namespace drydock {

// Files of a container going out and in as tar archives. `root` is the container's "/", open; every
// path is resolved inside it by the kernel, with the container's own links, and never by ours.

/// What is at a path, itself and not where it leads.
struct PathStat {
    std::string name{};  ///< its last part
    std::int64_t size = 0;
    std::uint32_t mode = 0;  ///< st_mode
    Time modified{};
    std::string link_target{};
};
/// The mode as Go's os.FileMode has it.
std::uint32_t go_file_mode(std::uint32_t mode);

/// @throws std::system_error ENOENT, ENOTDIR
PathStat stat_in_root(int root, const std::string& path);

using ArchiveSink = std::function<void(std::span<const std::byte>)>;
/// Packs what is at the path, under its own name; "DIR/." packs a directory's content under ".".
void pack_path(int root, const std::string& path, const ArchiveSink& sink);
/// Packs the whole file system, without what is mounted in it.
void pack_root(int root, const ArchiveSink& sink);

struct UnpackOptions {
    /// A directory is never replaced by something else, nor the other way round.
    bool keep_kinds = false;
    /// Everything belongs to these; nothing: to those the archive says.
    std::optional<std::pair<unsigned, unsigned>> owner{};
};
/// Unpacks the archive (plain, gzip or zstd) into a directory that is there.
/// @throws std::system_error ENOENT, ENOTDIR: there is no such directory; InputError for what is in
/// the archive; what was unpacked before stays
void unpack_in_root(int root, const std::string& path, int archive, const UnpackOptions& options);

}  // namespace drydock
