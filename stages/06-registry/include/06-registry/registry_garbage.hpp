#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace drydock {

struct RegistryGarbageOptions {
    /// What was sent or asked for so lately stays: a push may be about to name it in a manifest.
    std::chrono::seconds grace{std::chrono::hours(24)};
    /// Uploads that got nothing for so long are forgotten.
    std::chrono::seconds stale_uploads{std::chrono::hours(24 * 7)};
};

/// What was collected.
struct RegistryGarbage {
    std::size_t blobs = 0;
    std::uint64_t bytes = 0;  ///< of these blobs and uploads
    std::size_t links = 0;    ///< names of blobs in repositories that no manifest there needs
    std::size_t uploads = 0;  ///< stale ones
    std::vector<std::string> damaged{};  ///< "name: why": repositories of which nothing was taken
};

/// "removed 3 blobs and 1 stale upload, 12345 bytes"
std::string to_string(const RegistryGarbage& garbage);

}  // namespace drydock
