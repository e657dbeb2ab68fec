#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/log_file.hpp"
#include "03-cgroups/shim_client.hpp"

namespace drydock {

/// A container that shall outlive the caller, watched by a `drydock-shim` of its own.
struct ShimRequest {
    std::filesystem::path bundle{};  ///< directory with config.json; exit.json will be beside it
    std::string id{};                ///< container ID (state.hpp)
    std::filesystem::path runtime_root{};  ///< directory of the runtime's state
    std::filesystem::path
        log_file{};  ///< appended to, a JSON line for each line of output (log_line.hpp)
    std::filesystem::path
        explain_file{};  ///< where each step and its calls are told; "": nobody listens
    std::vector<std::string> without{};  ///< steps to leave out
    LogLimits log_limits{};
    bool open_stdin = false;  ///< attached clients can write the command's input
    bool stdin_once = false;  ///< the input ends with the first of them
    unsigned rows = 0;        ///< of the terminal, if config.json asks for one; 0: what that says
    unsigned columns = 0;
    /// How long a client that takes no output may hold the command up.
    std::chrono::milliseconds hold{10'000};
    /// Clients that miss nothing: they are attached before the command begins.
    std::vector<Attachment> attachments{};
};

struct StartedContainer {
    pid_t pid = 0;          ///< of the container's first process, as seen here
    UniqueFd pidfd{};       ///< readable when that process has ended
    UniqueFd shim_pidfd{};  ///< readable when the shim is done: the cgroup is gone and exit.json is
                            ///< there
};

/// How a container ended; what exit.json says.
struct ExitRecord {
    int exit_status = 0;
    bool oom_killed = false;
    std::string finished_at{};  ///< RFC 3339, UTC, nanoseconds
    bool operator==(const ExitRecord&) const = default;
};

/// Starts the shim in a session of its own and returns when the container's command runs. May be
/// called from any thread. The shim is a child of the caller, who reaps it when shim_pidfd is
/// readable (waitid(P_PIDFD)).
/// @throws SetupError with exit_status() 125, 126 or 127 when it does not come to that; nothing is
/// left behind then
StartedContainer start_shim(ShimRequest request);

/// The container that an earlier process started, found by the runtime's state; nothing when it has
/// ended. Pid and start time must both match, so that a stranger with the same pid is never taken
/// for it.
std::optional<StartedContainer> reconnect(const std::string& id,
                                          const std::filesystem::path& runtime_root);

/// Nothing while the container runs, or if its shim was killed.
std::optional<ExitRecord> read_exit_record(const std::filesystem::path& bundle);

}  // namespace drydock
