#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "04-layers/content_store.hpp"

namespace drydock {

/// Something in a store that is not as it should be.
struct StoreFault {
    std::string text{};     ///< for a person: what, where, and what that means
    bool repaired = false;  ///< out of the way now: in the quarantine, or gone if it was empty
};

struct FsckOptions {
    bool repair = false;              ///< move what is broken aside
    std::chrono::seconds grace{300};  ///< what changed so lately may be somebody's work under way
    std::function<void(std::uint64_t)> progress{};  ///< bytes that were read
};

/// Reads every blob and compares it with its digest. A damaged one is moved to ROOT/quarantine, so
/// that it is fetched again and nobody uses it meanwhile.
/// @param bytes how many were read
std::vector<StoreFault> check_blobs(const ContentStore& store, const FsckOptions& options,
                                    std::uint64_t& bytes);

/// Looks at the unpacked layers of a Snapshotter: names without a layer, layers without a name,
/// what a killed process left half-done, and active snapshots that stand on nothing. Nobody may
/// commit or remove layers meanwhile.
/// @param root of the Snapshotter; @param quarantine where what is broken is put
std::vector<StoreFault> check_snapshots(const std::filesystem::path& root,
                                        const std::filesystem::path& quarantine,
                                        const FsckOptions& options);

}  // namespace drydock
