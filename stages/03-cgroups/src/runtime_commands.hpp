#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "03-cgroups/runtime_log.hpp"

namespace drydock {

/// What stands before the command of drydock-runtime.
struct RuntimeFlags {
    std::filesystem::path root{};
    std::filesystem::path log{};
    LogFormat log_format = LogFormat::Text;
    bool debug = false;
    std::string refused{};  ///< what was asked for and is not implemented
};

/// Fills `flags` and, with the command that is asked for, `command`: it gives the exit status.
void add_runtime_commands(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command);

}  // namespace drydock
