#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "copy_tree.hpp"

namespace drydock {

/// What COPY and ADD take, and where to: everything in them is known, nothing is written yet.
struct CopyPlan {
    const LayerView* tree = nullptr;
    std::vector<std::vector<CopySource>> sources{};
    std::string destination{};
    bool into = false;
    CopyOptions options{};
    std::string input{};  ///< for the cache key
};

/// The mode that --chmod says. @throws InputError for anything but octal digits
mode_t parse_mode(const std::string& text);

/// Copies what the plan says into the layer that `writer` writes.
/// @param unpack ADD: archives are unpacked, below `temporary` first
/// @throws InputError, NotImplemented; the layer is half-made then
void copy_planned(UpperWriter& writer, const CopyPlan& plan, bool unpack,
                  const std::filesystem::path& temporary);

}  // namespace drydock
