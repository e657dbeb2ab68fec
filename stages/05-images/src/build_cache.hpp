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

/// All that a step depends on.
struct StepKey {
    std::string parent{};       ///< identifies everything below the step
    std::string instruction{};  ///< what it says, variables replaced
    std::string input{};        ///< digest of what it reads, if it reads something
    std::string epoch{};        ///< $SOURCE_DATE_EPOCH, if it is set

    [[nodiscard]] Digest digest() const;
};

/// What a step of an earlier build gave.
struct CachedStep {
    std::string config{};                    ///< the image configuration after it, as it is stored
    std::optional<oci::Descriptor> layer{};  ///< the layer it made, if it made one
    StepKey key{};  ///< what it was found by; all empty if it was not noted
};

/// Remembers what steps gave, by a key over all that they depend on:
/// DATA_ROOT/build-cache/HEX.json. Only a build writes there, so an image that was pulled or loaded
/// can never pass for a step that was built here (CVE-2024-24557).
class BuildCache {
  public:
    explicit BuildCache(const std::filesystem::path& data_root);

    /// Nothing when there is no entry, or it cannot be read: that is a miss, not an error.
    [[nodiscard]] std::optional<CachedStep> find(const StepKey& key) const;
    void put(const StepKey& key, const CachedStep& step) const;
    /// What of `key`, which has no entry, is another than in the entry that is nearest to it: a
    /// clause for a person, "the files it reads are others". Looks at every entry.
    [[nodiscard]] std::string explain_miss(const StepKey& key) const;
    /// Every entry that can be read.
    [[nodiscard]] std::vector<CachedStep> list() const;
    /// Forgets all. @return how many there were
    std::size_t clear() const;

  private:
    [[nodiscard]] std::optional<CachedStep> read(const std::string& name) const;

    std::filesystem::path directory_;
};

}  // namespace drydock
