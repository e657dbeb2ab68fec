#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "04-layers/digest.hpp"
#include "05-images/ignore_file.hpp"
#include "05-images/layer_view.hpp"

namespace drydock {

/// One file, directory or link that COPY takes along.
struct CopyItem {
    std::string below{};  ///< path below the source, "" for the source itself
    LayerView::Found found{};
};

/// What one source of COPY is: a file, or a directory whose contents are meant.
struct CopySource {
    std::string name{};  ///< last part of its path
    std::string path{};  ///< as the pattern named it, without "/" at the front; behind "/./" if
                         ///< that is in it
    bool is_directory = false;
    std::vector<CopyItem> items{};  ///< directories before what is in them; sorted
};

struct FindSources {
    std::string pattern{};               ///< a path, or a glob as Go's filepath.Match
    const IgnoreRules* rules = nullptr;  ///< what of the tree is not to be seen; null: all is
    bool deep = false;                   ///< "**" is any number of directories (COPY --parents)
};

/// What in `tree` the pattern means. Links in the path stay inside the tree; links below are taken
/// as links.
/// @throws InputError when nothing matches, and for devices, sockets and FIFOs
std::vector<CopySource> find_sources(const LayerView& tree, const FindSources& what);

/// Takes out what the patterns of --exclude match: paths below a source that is a directory, the
/// name of one that is a file.
void leave_out(std::vector<CopySource>& sources, const std::vector<std::string>& patterns);

/// The digest of names, types, permissions, link targets and contents; of owners, if they are kept.
/// Times are left out: touching a file changes nothing that a build sees.
Digest digest_of(const LayerView& tree, const std::vector<CopySource>& sources, bool owners);

/// What --chmod says: "755", or "u=rwX,go=rX".
struct ModeChange {
    struct Clause {
        mode_t who = 0;  ///< the bits it may change
        char op = '=';
        mode_t bits = 0;
        bool search = false;  ///< "X": x for directories, and for files that somebody may execute
    };
    std::string text{};
    std::optional<mode_t> whole{};
    std::vector<Clause> clauses{};

    [[nodiscard]] mode_t applied(mode_t mode) const;  ///< @param mode st_mode, with its type
};
/// @throws InputError for what is neither octal digits nor clauses of chmod(1)
ModeChange parse_mode(const std::string& text);

/// How files get into the layer.
struct CopyOptions {
    bool keep_owners = false;
    std::uint32_t uid = 0;  ///< unless owners are kept
    std::uint32_t gid = 0;
    std::optional<ModeChange> mode{};  ///< of --chmod, for files and directories
};

struct CopyDestination {
    std::string path{};  ///< absolute, in the image
    bool into = false;   ///< it is meant as a directory even if it is not there
};

/// Writes into the upper directory of an overlay without mounting it. Links in `image` (that upper
/// directory over the layers below) are followed, inside it; directories that the layers below have
/// are made as they are there.
class UpperWriter {
  public:
    UpperWriter(const std::filesystem::path& upper,
                const std::vector<std::filesystem::path>& lowers);

    [[nodiscard]] const LayerView& image() const noexcept { return image_; }
    /// Makes the directory and those above it, 0755 and root's where they are new.
    void make_directory(const std::string& path);
    /// Copies the sources to `destination`, an absolute path in the image: into it if it is (or
    /// `into`) a directory.
    void copy(const LayerView& tree, const std::vector<CopySource>& sources,
              const CopyDestination& destination, const CopyOptions& options);

  private:
    UniqueFd directory_in_upper(const std::string& resolved);
    void copy_item(const LayerView& tree, const CopyItem& item, const std::string& to,
                   const CopyOptions& options);
    void copy_file(const LayerView& tree, const CopyItem& item, int parent, const std::string& name,
                   const CopyOptions& options);

    UniqueFd upper_;
    LayerView image_;
};

}  // namespace drydock
