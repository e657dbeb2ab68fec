#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "07-compose/cli/engine.hpp"

namespace drydock::cli {

inline constexpr std::string_view kVersion = "0.1.0";

/// What a verb is given.
struct Invocation {
    std::string name{};                    ///< "drydock run", for messages
    std::vector<std::string> arguments{};  ///< what stands behind the verb
    std::string host_flag{};               ///< --host

    /// The daemon; started when there is none (connect_or_start).
    [[nodiscard]] Engine engine() const;
};

/// A word of the command line. The table of them is in commands.cpp; each group of verbs has a file
/// of its own.
struct Verb {
    std::string_view name;
    std::string_view group;  ///< heading in the help
    std::string_view summary;
    int (*run)(const Invocation&);  ///< @return the exit status
};
std::span<const Verb> verbs();

/// `drydock ARGUMENTS`.
/// @return the exit status; what went wrong has been printed
int run_command_line(const std::vector<std::string>& arguments);

// containers
int run_run(const Invocation& invocation);
int run_create(const Invocation& invocation);
int run_start(const Invocation& invocation);
int run_exec(const Invocation& invocation);
int run_attach(const Invocation& invocation);
int run_stop(const Invocation& invocation);
int run_restart(const Invocation& invocation);
int run_rename(const Invocation& invocation);
int run_pause(const Invocation& invocation);
int run_unpause(const Invocation& invocation);
int run_update(const Invocation& invocation);
int run_top(const Invocation& invocation);
int run_stats(const Invocation& invocation);
int run_events(const Invocation& invocation);
int run_cp(const Invocation& invocation);
int run_diff(const Invocation& invocation);
int run_export(const Invocation& invocation);
int run_commit(const Invocation& invocation);
int run_port(const Invocation& invocation);
int run_container(const Invocation& invocation);
int run_kill(const Invocation& invocation);
int run_wait(const Invocation& invocation);
int run_rm(const Invocation& invocation);
int run_ps(const Invocation& invocation);
int run_logs(const Invocation& invocation);
int run_inspect(const Invocation& invocation);
// networks
int run_network(const Invocation& invocation);
// images
int run_build(const Invocation& invocation);
int run_images(const Invocation& invocation);
int run_pull(const Invocation& invocation);
int run_push(const Invocation& invocation);
int run_login(const Invocation& invocation);
int run_logout(const Invocation& invocation);
int run_search(const Invocation& invocation);
/// What drydock-06 does without a daemon: it becomes that program.
int run_remote(const Invocation& invocation);
int run_tag(const Invocation& invocation);
int run_rmi(const Invocation& invocation);
int run_save(const Invocation& invocation);
int run_load(const Invocation& invocation);
int run_import(const Invocation& invocation);
int run_history(const Invocation& invocation);
int run_image(const Invocation& invocation);
// volumes
int run_volume(const Invocation& invocation);
// the engine
int run_system(const Invocation& invocation);
int run_version(const Invocation& invocation);
int run_info(const Invocation& invocation);
int run_daemon(const Invocation& invocation);
int run_registry(const Invocation& invocation);
int run_compose(const Invocation& invocation);

}  // namespace drydock::cli
