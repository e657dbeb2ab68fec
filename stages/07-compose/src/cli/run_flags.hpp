#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/container_spec.hpp"

#include "isolation_flags.hpp"
#include "network_flags.hpp"
#include "verb_flags.hpp"

namespace drydock::cli {

/// What run and create were given, half read.
struct RunFlags {
    ContainerSpec spec{};
    std::vector<std::string> env{};
    std::vector<std::string> labels{};
    std::string entrypoint{};
    std::string memory{};
    std::string cpus{};
    std::string cidfile{};
    std::string pull{};
    NetworkFlags network{};
    IsolationFlags isolation{};
    std::vector<std::string> env_files{};
    std::vector<std::string> label_files{};
    std::string detach_keys{};
    std::vector<std::string> attach{};  ///< "stdin", "stdout", "stderr"
    bool pass_signals = true;
    std::string restart{};
    std::string health_cmd{};
    std::string health_interval{};
    std::string health_timeout{};
    std::string health_start_period{};
    std::string health_start_interval{};
    int health_retries = 0;
    int stop_timeout = 0;
    bool no_healthcheck = false;
    bool detach = false;
    bool interactive = false;
    bool terminal = false;
};

/// The flags that run and create have in common, and IMAGE and COMMAND.
void add_run_flags(CLI::App& app, RunFlags& flags);
/// What was given becomes `flags.spec`. @throws InputError naming the flag and what would be right
void finish_run_flags(RunFlags& flags, const CLI::App& app);

/// Which streams of the container are ours: those of -a; without -a all, the input with -i only,
/// and none with -d. @throws InputError for what is no stream
AttachedStreams attached_streams(const RunFlags& flags);

}  // namespace drydock::cli
