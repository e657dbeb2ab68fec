#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/digest.hpp"
#include "05-images/descriptor.hpp"

namespace drydock {

/// What a step of an earlier build gave.
struct CachedStep {
    std::string config{};                    ///< the image configuration after it, as it is stored
    std::optional<oci::Descriptor> layer{};  ///< the layer it made, if it made one
};

/// Remembers what steps gave, by a key over all that they depend on:
/// DATA_ROOT/build-cache/HEX.json. Only a build writes there, so an image that was pulled or loaded
/// can never pass for a step that was built here (CVE-2024-24557).
class BuildCache {
  public:
    explicit BuildCache(const std::filesystem::path& data_root);

    /// @param parent identifies everything below the step; @param instruction what it says,
    /// variables replaced;
    /// @param input digest of what it reads, if it reads something
    static Digest key(std::string_view parent, std::string_view instruction,
                      std::string_view input);

    /// Nothing when there is no entry, or it cannot be read: that is a miss, not an error.
    [[nodiscard]] std::optional<CachedStep> find(const Digest& key) const;
    void put(const Digest& key, const CachedStep& step) const;
    /// Every entry that can be read.
    [[nodiscard]] std::vector<CachedStep> list() const;
    /// Forgets all. @return how many there were
    std::size_t clear() const;

  private:
    [[nodiscard]] std::optional<CachedStep> read(const std::string& name) const;

    std::filesystem::path directory_;
};

}  // namespace drydock
