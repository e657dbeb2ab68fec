#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_create.hpp"
#include "05-images/builder.hpp"
#include "05-images/dockerfile.hpp"
#include "05-images/ignore_file.hpp"
#include "05-images/image_store.hpp"
#include "05-images/layer_view.hpp"

namespace drydock {

/// The context as a tree, and what of it is not to be seen.
struct BuildContext {
    TempDir unpacked{};  ///< when it came as a tar stream
    std::optional<LayerView> tree{};
    IgnoreRules rules{};
    Dockerfile dockerfile{};
};

/// @throws InputError when the context or the Dockerfile is not there, or cannot be read
BuildContext open_context(const ImageStore& store, const BuildRequest& request);

/// Owns the active snapshot, and the bundle, of one step.
class BuildWorkspace {
  public:
    explicit BuildWorkspace(ImageStore& store);
    ~BuildWorkspace();
    BuildWorkspace(const BuildWorkspace&) = delete;
    BuildWorkspace& operator=(const BuildWorkspace&) = delete;
    BuildWorkspace(BuildWorkspace&&) = delete;
    BuildWorkspace& operator=(BuildWorkspace&&) = delete;

    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] const std::filesystem::path& bundle() const noexcept { return bundle_; }

    /// Packs what is in the upper directory, and makes it a committed layer.
    /// @param latest_mtime $SOURCE_DATE_EPOCH, if it is set
    LayerBlob commit(const std::optional<std::int64_t>& latest_mtime);

  private:
    ImageStore& store_;
    std::string key_;
    std::filesystem::path bundle_;
};

}  // namespace drydock
