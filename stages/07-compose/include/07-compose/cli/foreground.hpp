#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/cli/conversation.hpp"
#include "07-compose/cli/engine.hpp"

namespace drydock::cli {

struct Foreground {
    std::string id{};
    bool auto_remove = false;       ///< as it was created: then its end is when it is gone
    ConversationOptions streams{};  ///< as it was created
    bool out = true;                ///< what it writes to its standard output is for us
    bool err = true;                ///< and to its standard error
    bool pass_signals = true;       ///< those that we get; false: they are for us alone
    std::string detach_keys{};      ///< as docker's --detach-keys has them; "": the default
    bool running = false;           ///< it runs already
    bool explain = false;           ///< print the steps of its start on stderr
};

/// What `inspect` says of it.
Foreground foreground_of(const nlohmann::json& container);

/// Starts the container and stays with it until it ends: what it writes goes to our stdout and
/// stderr, what we read goes to it if it is interactive, the signals that we get go to it (the
/// third SIGINT or SIGTERM becomes SIGKILL: a first process may ignore both). The detach keys leave
/// it running, as does a signal that is not passed on. Who gets none of its output stays until our
/// input ends.
/// @return its exit status; 0 when it was left, 128 + n by signal n
/// @throws SetupError with exit status 125, 126 or 127 when it could not be started
int run_in_foreground(const Engine& engine, const Foreground& container);

/// Starts it.
/// @throws SetupError as above
void start_container(const Engine& engine, const std::string& id);

/// Tells the daemon how large our terminal is, if there is one.
/// @param path of the request that resizes
void send_terminal_size(const Engine& engine, const std::string& path);

/// Prints the steps of the container's start, as `drydock-03 run --explain` would.
void print_explanation(const Engine& engine, const std::string& id);

}  // namespace drydock::cli
