#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "04-layers/fsck.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

struct FsckReport {
    std::vector<StoreFault> faults{};
    std::size_t images = 0;
    std::size_t blobs = 0;
    std::size_t layers = 0;   ///< unpacked ones
    std::uint64_t bytes = 0;  ///< of blobs, all of them read
};

/// Looks for what is broken in a store: blobs whose bytes are not what their name says, images
/// whose blobs are missing, unpacked layers that are not whole. With `repair` what is broken is in
/// DATA_ROOT/quarantine afterwards; what an image misses comes with its next pull, load or build.
/// What is in an unpacked layer is not compared with its blob.
/// @throws InputError when a build, a pull or a load is under way
FsckReport check_store(ImageStore& store, const FsckOptions& options);

/// A line for each fault, and one that says what was looked at.
std::string fsck_text(const FsckReport& report);

}  // namespace drydock
