#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "07-compose/cli/engine.hpp"
#include "07-compose/compose/plan.hpp"

namespace drydock::compose {

struct LogOptions {
    bool follow = false;
    bool timestamps = false;
    bool prefix = true;        ///< "web-1  | " before each line
    std::string tail = "all";  ///< lines from the end of each
};

/// Prints what the containers wrote, lines of all as they come, each with its container's prefix.
/// With `follow` returns when all have ended.
/// @param other_fd watched too; -1 for none @param on_other called when it is readable
void print_logs(const cli::Engine& engine, const std::vector<Existing>& containers,
                const LogOptions& options, int other_fd = -1,
                const std::function<void()>& on_other = {});

/// "web-1  | ", as wide for all: the part of a container's name that is its own.
std::string log_prefix(const Existing& container, std::size_t width);

}  // namespace drydock::compose
