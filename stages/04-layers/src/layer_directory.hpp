#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_entry.hpp"

namespace drydock {

using Parts = std::vector<std::string>;

/// The names in a path that a stranger wrote: "/a//./b/" has "a" and "b", "." has none.
/// @throws RefusedEntry for ".." and for a name longer than any filesystem takes
Parts parts_of(std::string_view path);

/// The directory that a layer is unpacked into. Everything is made below a descriptor of its
/// parent, which was reached from the top one name at a time with O_NOFOLLOW: whatever the archive
/// put there before, nothing leads out.
class LayerDirectory {
  public:
    /// @param root, @param options lent
    LayerDirectory(int root, const ApplyOptions& options);

    /// Opens the directory that `path` (at least one part) is in, and makes what is missing of it.
    /// The descriptor is good until the next call.
    int parent_of(const Parts& path);

    /// Makes an empty file, in place of whatever is there.
    UniqueFd make_file(const Parts& path);
    /// Makes a directory, or takes the one that is there. Without parts: the root itself.
    void make_directory(const Parts& path, const TarEntry& entry);
    void make_symlink(const Parts& path, const TarEntry& entry);
    void make_node(const Parts& path, const TarEntry& entry);
    /// @throws RefusedEntry when the target is no file that this layer has
    void make_hard_link(const Parts& path, const TarEntry& entry);
    /// Hides what the layers below have at `path`, not what this one has.
    void make_whiteout(const Parts& path);
    /// Hides everything that the layers below have in the directory.
    void make_opaque(const Parts& directory);

    /// What waits until the files are there: modes and times of directories.
    void finish();

  private:
    struct Later {
        mode_t mode = 0;
        timespec mtime{};
    };
    enum class Cleared { Nothing, Whiteout, Other };

    /// Removes what is at `name`, but not a directory when a directory comes.
    Cleared clear(const Parts& path, int parent, bool keep_directory);
    int enter(const Parts& directory);
    UniqueFd open_or_make(int parent, const Parts& path);
    UniqueFd open_existing(const Parts& directory) const;
    void take_metadata_from_lowers(int fd, const Parts& path);
    void set_opaque(int fd) const;
    void remember(const Parts& path, const Later& later);
    void forget_below(const Parts& path);

    int root_;
    const ApplyOptions& options_;
    Parts entered_{};  ///< the directory that parent_of gave last…
    std::vector<UniqueFd>
        open_{};  ///< …and the directories on the way to it, the first below the root
    std::map<std::string, Later> later_{};
    std::size_t remembered_bytes_ = 0;
};

}  // namespace drydock
