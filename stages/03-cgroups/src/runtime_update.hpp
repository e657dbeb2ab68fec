#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <CLI/App.hpp>

#include "runtime_commands.hpp"

namespace drydock {

/// `update`: runc's flags, and --resources.
void add_update(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command);

/// "5s", "100ms", "1m30s", as Go writes them. @throws InputError
std::chrono::milliseconds duration_from(const std::string& text);

}  // namespace drydock
