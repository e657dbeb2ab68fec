#pragma once

#include <filesystem>
#include <string>

#include "01-chroot/walk.hpp"

namespace drydock {

/// A bundle to be run by a program of its own, for callers that have threads and so may not clone.
struct BundleRun {
    std::filesystem::path bundle{};        ///< directory with config.json
    std::string id{};                      ///< container ID (state.hpp)
    std::filesystem::path runtime_root{};  ///< directory of the runtime's state
    int stdin_fd = -1;                     ///< -1: /dev/null
    int stdout_fd = -1;                    ///< -1: ours
    int stderr_fd = -1;                    ///< -1: ours
    WalkOptions walk{};                    ///< explain goes to stderr_fd
};

/// Runs `drydock-runtime run` on it and waits. May be called from any thread.
/// @return its exit status: the command's, or 125, 126, 127 with one line on stderr when there was
/// no start
/// @throws std::system_error when the runtime itself cannot be started
int run_bundle(const BundleRun& run);

}  // namespace drydock
