#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/chain_id.hpp"
#include "04-layers/content_store.hpp"
#include "04-layers/digest.hpp"
#include "04-layers/overlay.hpp"
#include "04-layers/tar_reader.hpp"

namespace drydock {

/// A writable stack of layers, made by Snapshotter::prepare.
struct ActiveSnapshot {
    std::filesystem::path
        directory{};  ///< everything of this snapshot; the caller may keep files of its own here
    std::filesystem::path upper{};  ///< takes the changes
    std::filesystem::path work{};   ///< overlay's own
    MountSpec overlay{};            ///< type, source and options; target "/"
};

/// A layer's archive, whole or still coming.
struct LayerBytes {
    int fd = -1;                                ///< from its position on; lent
    std::string name{};                         ///< for errors: its digest
    std::function<bool(std::uint64_t)> more{};  ///< as ApplyOptions::more
};

/// How layers lie on disk, unpacked:
///
///     ROOT/chains/HEX -> ../l/1a   committed layers by ChainID
///     ROOT/l/1a/                   one layer's files in overlay's form; the short name leaves room
///     for many in mount(2) ROOT/active/KEY/             {upper, work, parents}: one per container
///     or build step ROOT/tmp, ROOT/trash         what is being unpacked or removed
///
/// A committed layer is there whole or not at all. May be used by several threads and processes at
/// once.
class Snapshotter {
  public:
    /// Opens the directory and makes what is missing of it.
    /// @param root DIR/snapshots of a data root; `,` `:` `\` and white space cannot be in it
    /// (overlay's options)
    explicit Snapshotter(std::filesystem::path root);

    [[nodiscard]] bool contains(const Digest& chain) const;
    /// Directory of a committed layer: only what that layer changed.
    /// @throws InputError when it is not there
    [[nodiscard]] std::filesystem::path layer_directory(const Digest& chain) const;

    /// Unpacks a layer over `parents` and gives back its ChainID. When it is there already, or
    /// somebody else unpacks the same at the same time, one of the two stays.
    /// @param parents ChainIDs of the layers below, lowest first
    /// @param diff_id what the image's config says; a blob that unpacks to anything else is
    /// discarded
    /// @throws InputError; nothing of the layer is there then
    Digest commit_layer(const ContentStore& store, std::span<const Digest> parents,
                        const Digest& blob, const Digest& diff_id,
                        const std::function<void(std::uint64_t)>& progress = {});

    /// The same for an archive that may still be coming. Nobody sees the layer before all of it was
    /// read.
    Digest commit_layer(const LayerBytes& bytes, std::span<const Digest> parents,
                        const Digest& diff_id,
                        const std::function<void(std::uint64_t)>& progress = {});

    /// Makes an empty writable directory over committed layers (none: an empty root).
    /// @param key [a-zA-Z0-9][a-zA-Z0-9_.-]*, new
    /// @param chains ChainIDs of the layers, lowest first
    ActiveSnapshot prepare(const std::string& key, std::span<const Digest> chains);
    /// An active snapshot made earlier, perhaps by another process.
    [[nodiscard]] ActiveSnapshot active(const std::string& key) const;
    /// Makes the changes of an active snapshot, which nothing has mounted any more, a committed
    /// layer over its parents.
    /// @param diff_id of the layer that create_layer packed from it
    /// @return its ChainID; the active snapshot is gone
    Digest commit(const std::string& key, const Digest& diff_id);
    /// Removes an active snapshot. Nothing there is fine.
    void remove(const std::string& key);
    /// Removes a committed layer, on which nothing may stand any more. Nothing there is fine.
    void remove_layer(const Digest& chain);

    /// ChainIDs of the committed layers, sorted.
    [[nodiscard]] std::vector<Digest> list() const;
    /// Keys of the active snapshots, sorted.
    [[nodiscard]] std::vector<std::string> list_active() const;

    TarLimits limits{};  ///< for commit_layer

  private:
    [[nodiscard]] ActiveSnapshot describe(const std::string& key,
                                          std::span<const Digest> chains) const;
    [[nodiscard]] std::vector<Digest> parents_of(const std::string& key) const;
    /// Gives a finished directory its short name and its ChainID. When the ChainID is there by
    /// then, it is removed.
    void publish(int from, const std::string& name, const Digest& chain);

    std::filesystem::path root_;
    UniqueFd chains_{};
    UniqueFd layers_{};
    UniqueFd active_{};
    UniqueFd temporary_{};
    UniqueFd trash_{};
};

}  // namespace drydock
