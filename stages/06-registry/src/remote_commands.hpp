#pragma once

#include <functional>

#include <CLI/App.hpp>

namespace drydock {

/// What is said to registries without an image store: login, logout, search, manifest inspect,
/// tags, referrers, copy, artifact. @param command as for add_registry_commands()
void add_remote_commands(CLI::App& app, std::function<int()>& command);

}  // namespace drydock
