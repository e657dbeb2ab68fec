#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// A child made by posix_spawn(3), which is safe in a program with threads.
struct Spawned {
    pid_t pid = 0;
    UniqueFd pidfd{};
};

struct SpawnRequest {
    std::filesystem::path program{};
    std::vector<std::string> arguments{};  ///< without argv[0]
    int stdin_fd = -1;                     ///< -1: /dev/null
    int stdout_fd = -1;                    ///< -1: ours
    int stderr_fd = -1;                    ///< -1: ours
    bool own_session = false;
};

/// Starts it with no signal blocked and none ignored, whatever the calling thread does with
/// signals.
Spawned spawn(const SpawnRequest& request);

/// Waits for it. @return its exit status (exit_status.hpp)
int wait_for(const Spawned& child);

}  // namespace drydock
