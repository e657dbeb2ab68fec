#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/temp_dir.hpp"
#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/oci_config.hpp"
#include "05-images/dockerfile.hpp"
#include "05-images/ignore_file.hpp"
#include "05-images/layer_view.hpp"

#include "copy_tree.hpp"

namespace drydock {

/// What one RUN has mounted beside its root file system: its --mounts, and its script.
///
/// A bind mount shows a copy, which is gone after the RUN: what the command writes there reaches
/// neither the context nor a layer, and .dockerignore holds for it. A secret is in a tmpfs.
class RunMounts {
  public:
    /// @param secrets must outlive it
    RunMounts(std::filesystem::path data_root, const std::map<std::string, std::string>& secrets);

    /// @param mount with an absolute target; @param tree what it shows, if it shows something;
    /// @param rules what of the tree is not to be seen
    /// @throws InputError when the tree has no such source
    void add(RunMount mount, const LayerView* tree, const IgnoreRules* rules);
    /// A file that can be executed. @return its path in the container
    std::string add_script(const std::string& text);

    /// What the cache key of the RUN depends on: settings, and what bind mounts show. Not what is
    /// in caches and secrets.
    [[nodiscard]] std::vector<std::string> key() const;

    /// Makes everything ready, and remembers what `image` does not have at the targets.
    /// @param wait is called again and again while another build has a locked cache; it may throw
    /// @throws InputError for a required secret that was not given
    void prepare(const LayerView& image, const std::function<void()>& wait);
    [[nodiscard]] const std::vector<oci::Mount>& mounts() const noexcept { return mounts_; }

    /// Takes away the empty files and directories that the runtime made as targets. Links there
    /// lead nowhere, and nothing is removed that holds something.
    void remove_stubs(const std::filesystem::path& upper) const;

  private:
    struct Planned {
        RunMount mount{};
        const LayerView* tree = nullptr;
        std::vector<CopySource> sources{};
        std::string input{};  ///< digest of the sources
    };
    /// A path that the image does not have; its parent's time, if the image has that.
    struct Stub {
        std::string path{};
        std::optional<timespec> parent_time{};
    };

    void remember_stubs(const LayerView& image, const std::string& target);
    std::filesystem::path copy_of(const Planned& planned);
    void prepare_bind(const Planned& planned);
    void prepare_cache(const Planned& planned, const std::function<void()>& wait);
    void prepare_secret(const RunMount& mount);

    std::filesystem::path data_root_;
    const std::map<std::string, std::string>& secrets_;
    std::vector<Planned> planned_{};
    std::string script_{};
    std::vector<Stub> stubs_{};
    std::vector<TempDir> directories_{};
    std::vector<UniqueFd> locks_{};
    std::vector<oci::Mount> mounts_{};
};

}  // namespace drydock
