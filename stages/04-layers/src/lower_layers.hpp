#pragma once

#include <span>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// The directory `path` as the stack of layers `lowers` (topmost first, in overlay's form) shows
/// it: of the topmost layer that has it. Empty when the stack does not show a directory there.
UniqueFd find_in_lowers(std::span<const int> lowers, const std::vector<std::string>& path,
                        const std::string& overlay_namespace);

}  // namespace drydock
