#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// A stack of unpacked layers seen as the one tree they make, without mounting them: a program with
/// threads cannot take a mount namespace of its own, and a mount of the host's would have to be
/// cleaned up. Knows overlay's own whiteouts (0:0 devices) and opaque directories.
///
/// Paths are absolute and belong to whoever made the image: links are followed inside the tree
/// only, at most 40.
/// @see Documentation/filesystems/overlayfs.rst, "Upper and Lower", "whiteouts and opaque
/// directories"
class LayerView {
  public:
    struct Found {
        std::string path{};      ///< absolute, without links: where it really lies in the tree
        std::size_t layer = 0;   ///< index into the stack, 0 is the top one
        struct ::stat status{};  ///< as lstat(2)
    };

    /// @param layers directories, the top one first
    explicit LayerView(const std::vector<std::filesystem::path>& layers);

    /// What `path` leads to, all links followed; nothing when it is not there.
    /// @throws std::system_error ELOOP
    [[nodiscard]] std::optional<Found> find(std::string_view path) const;
    /// The same, but a link at the end is found itself.
    [[nodiscard]] std::optional<Found> find_nofollow(std::string_view path) const;
    /// Where `path` would lie, links followed as far as it exists; "/etc/new" when /etc is there
    /// and new is not.
    [[nodiscard]] std::string resolve(std::string_view path) const;

    /// Opens what find() or list() found, never a link. @param flags O_*
    [[nodiscard]] UniqueFd open(const Found& found, int flags) const;
    /// The names in the directory and what they are, merged over all layers, sorted.
    [[nodiscard]] std::map<std::string, Found> list(const Found& directory) const;

    /// The text of a regular file, at most `limit` bytes; nothing when it is not there or is
    /// something else: a FIFO or a device in the place of /etc/passwd is never opened.
    /// @throws InputError when it is larger
    [[nodiscard]] std::optional<std::string> read_file(std::string_view path,
                                                       std::size_t limit) const;

    /// What the symbolic link that was found says.
    [[nodiscard]] std::string read_link(const Found& link) const;

  private:
    /// The directory of one layer that takes part in a merged one.
    struct Directory {
        std::size_t layer = 0;
        UniqueFd fd{};
    };
    struct Walked {
        std::string path{};
        std::optional<Found> found{};
    };
    /// The directories that are merged at `path` (which has no links), the top one first.
    [[nodiscard]] std::vector<Directory> directories(std::string_view path) const;
    [[nodiscard]] Walked walk(std::string_view path, bool follow_last) const;
    [[nodiscard]] std::optional<Found> look_up(const std::string& path) const;

    std::vector<UniqueFd> layers_{};
};

}  // namespace drydock
