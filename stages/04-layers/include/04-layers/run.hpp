#pragma once

#include <filesystem>
#include <vector>

#include "03-cgroups/run.hpp"

namespace drydock::stage04 {

struct Options {
    std::vector<std::filesystem::path> layers{};  ///< archives, lowest first
    /// Everything but the root, which is made of the layers.
    stage03::Options start{};
};

/// Runs the command in a root of these layers and one of its own, which is thrown away in the end.
stage03::Ended run(const Options& options);

}  // namespace drydock::stage04
