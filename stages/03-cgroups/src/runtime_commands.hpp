#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include <CLI/App.hpp>

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
/// @param arguments those behind the program's name. Only the command they ask for is declared, all
///                  of them when they ask for none: each would cost a start more than its clone
void add_runtime_commands(CLI::App& app, std::span<char* const> arguments, RuntimeFlags& flags,
                          std::function<int()>& command);

}  // namespace drydock
