#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/digest.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

/// While it lives, nothing is collected: who makes blobs and layers that no image names yet holds
/// one. A lock on DATA_ROOT/lease.lock, so it ends with its process whatever happens.
class StoreLease {
  public:
    /// Waits while somebody collects.
    explicit StoreLease(const ImageStore& store);

  private:
    UniqueFd lock_{};
};

struct GarbageOptions {
    bool build_cache = false;  ///< steps of earlier builds are forgotten too, and caches of RUN
    std::chrono::seconds grace{300};  ///< what changed so lately stays
};

/// What was collected.
struct Garbage {
    std::vector<Digest> blobs{};
    std::vector<Digest> layers{};  ///< unpacked ones, by ChainID
    std::size_t steps = 0;         ///< entries of the build cache
    std::uint64_t bytes = 0;       ///< of blobs
};

/// Marks what images, containers' snapshots and the build cache need, and removes the rest: layers
/// of builds that failed, what a killed pull left.
/// @throws InputError when a build or a pull is under way
Garbage collect_garbage(ImageStore& store, const GarbageOptions& options);

}  // namespace drydock
