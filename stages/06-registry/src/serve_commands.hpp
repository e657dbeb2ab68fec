#pragma once

#include <functional>

#include <CLI/App.hpp>

namespace drydock {

/// serve, gc. @param command as of add_registry_commands
void add_serve_commands(CLI::App& app, std::function<int()>& command);

}  // namespace drydock
