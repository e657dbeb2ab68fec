#pragma once

#include <string>

#include "07-compose/cli/engine.hpp"

namespace drydock::cli {

struct Foreground {
    std::string id{};
    bool auto_remove = false;  ///< as it was created: then its end is when it is gone
    bool only_new = false;     ///< leave out what an earlier run of it wrote
    bool explain = false;      ///< print the steps of its start on stderr
};

/// Starts the container and stays with it until it ends: what it writes goes to our stdout and
/// stderr, the signals that we get go to it (the third SIGINT or SIGTERM becomes SIGKILL: a first
/// process may ignore both).
/// @return its exit status
/// @throws SetupError with exit status 125, 126 or 127 when it could not be started
int run_in_foreground(const Engine& engine, const Foreground& container);

/// Starts it.
/// @throws SetupError as above
void start_container(const Engine& engine, const std::string& id);

/// Prints the steps of the container's start, as `drydock-03 run --explain` would.
void print_explanation(const Engine& engine, const std::string& id);

}  // namespace drydock::cli
