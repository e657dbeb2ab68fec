#pragma once

#include <filesystem>
#include <optional>

#include <CLI/App.hpp>

#include "01-chroot/exec_command.hpp"
#include "01-chroot/walk.hpp"

namespace drydock {

// Flags that `run` has in every stage, so that they are spelled and explained in one place.

/// --env, --workdir
void add_command_flags(CLI::App& app, Command& command);
/// --explain, --without
void add_walk_flags(CLI::App& app, WalkOptions& options);

/// Parses, and gives main the exit status to end with: nothing when the program goes on, 0 after
/// --help, 125 after an error, which has been printed with what would be right.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

/// `path` if it is a directory.
/// @throws InputError naming it and saying what was expected
std::filesystem::path checked_rootfs(const std::filesystem::path& path);

}  // namespace drydock
