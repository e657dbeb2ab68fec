#pragma once

#include <filesystem>
#include <string>

namespace drydock {

/// The arguments of mount(2), under the man page's names.
struct MountSpec {
    std::string source{};
    std::filesystem::path target{};
    std::string type{};
    unsigned long flags = 0;
    std::string data{};
};

}  // namespace drydock
