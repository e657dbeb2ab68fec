#pragma once

#include <functional>

#include <CLI/App.hpp>

namespace drydock {

/// serve, gc, pull, push, run. @param command what the command line asked for; set while it is
/// parsed, gives the exit status
void add_registry_commands(CLI::App& app, std::function<int()>& command);

}  // namespace drydock
