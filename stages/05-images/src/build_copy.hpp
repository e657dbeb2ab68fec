#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/temp_dir.hpp"
#include "05-images/layer_view.hpp"

#include "copy_tree.hpp"

namespace drydock {

/// Files that are in no tree yet: a download, the text of a heredoc.
struct CopyTree {
    TempDir directory{};
    std::optional<LayerView> view{};
};

/// What one source of COPY or ADD came to.
struct CopyFrom {
    const LayerView* tree = nullptr;
    std::vector<CopySource> sources{};
    bool unpack = false;  ///< archives are unpacked
};

/// What COPY and ADD take, and where to: everything in them is known, nothing is written yet.
struct CopyPlan {
    std::vector<std::unique_ptr<CopyTree>> made{};
    std::vector<CopyFrom> from{};
    std::string destination{};
    bool into = false;
    bool parents = false;  ///< directories above a source are made in the destination
    CopyOptions options{};
    std::string input{};  ///< for the cache key
};

/// Adds an empty tree to the plan, below `temporary`.
CopyTree& add_tree(CopyPlan& plan, const std::filesystem::path& temporary);

/// Copies what the plan says into the layer that `writer` writes. Archives are unpacked below
/// `temporary` first.
/// @throws InputError, NotImplemented; the layer is half-made then
void copy_planned(UpperWriter& writer, const CopyPlan& plan,
                  const std::filesystem::path& temporary);

}  // namespace drydock
