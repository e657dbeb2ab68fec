#pragma once

#include <functional>
#include <optional>
#include <string>

#include "05-images/descriptor.hpp"

namespace drydock {

/// What a pull and a push may be told.
struct TransferOptions {
    /// Layers under way at the same time. 0: what daemon.json says ("max-concurrent-downloads",
    /// "max-concurrent-uploads"), or else docker's 3 and 5.
    unsigned at_once = 0;
    /// Which of the images in an index is pulled; nothing: the one for this machine.
    std::optional<oci::Platform> platform{};
    /// Told of each request when it was answered: "GET URL -> 200 (why), 12 ms". From any thread,
    /// one at a time; never holds credentials.
    std::function<void(const std::string&)> explain{};
};

}  // namespace drydock
