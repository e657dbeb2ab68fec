#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "01-chroot/walk.hpp"
#include "03-cgroups/log_file.hpp"

namespace drydock {

/// What a shim is told on its command line (shim_process.hpp starts it).
struct ShimOptions {
    std::filesystem::path root{};  ///< directory of the runtime's state
    std::filesystem::path bundle{};
    std::string id{};
    std::filesystem::path log_file{};      ///< appended to
    std::filesystem::path explain_file{};  ///< "": nobody listens
    LogLimits log_limits{};
    bool open_stdin = false;  ///< the command's input is a pipe; else it is empty
    bool stdin_once = false;  ///< it ends when the first client that had it ends
    unsigned rows = 0;        ///< of the terminal, if config.json asks for one; 0: what that says
    unsigned columns = 0;
    /// How long a client that takes no output may hold the command up.
    std::chrono::milliseconds hold{10'000};
    WalkOptions walk{};
};

/// Starts the bundle's command, tells on standard output that it runs or why not, keeps its output
/// and its exit, and returns when all of it is over. The process is the shim's own: its standard
/// streams, signals and orphans (it is their subreaper) are taken over. What it is asked for
/// meanwhile comes over a socket (shim_client.hpp).
/// @return 0; 125, 126 or 127 when there was no start
int run_shim(ShimOptions options);

}  // namespace drydock
