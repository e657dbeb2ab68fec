#pragma once

#include <filesystem>
#include <string>

#include "01-chroot/walk.hpp"
#include "03-cgroups/run.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

// What drydock-runtime does to a container whose state is below `root`. @see OCI runtime-spec,
// runtime.md, "Operations"

struct RunRequest {
    std::filesystem::path root{};
    std::filesystem::path bundle{};
    std::string id{};
    std::filesystem::path pid_file{};  ///< the first process's pid goes there; "": nowhere
    WalkOptions walk{};
};

/// Keeps a container's state on disk from before its cgroup is made until after it is gone.
class Record {
  public:
    /// @throws InputError when there is a container with that ID
    Record(const std::filesystem::path& root, const std::string& id,
           const std::filesystem::path& bundle, const std::string& cgroup_path);
    /// Notes what runs.
    void running(stage03::Running& running);
    void remove() { entry_.remove(); }

  private:
    StateEntry entry_;
    ContainerState state_{};
};

/// Runs the bundle's command in the foreground and waits for it. Warnings about config.json go to
/// stderr.
stage03::Ended run_container(const RunRequest& request);

/// The state as the specification writes it.
std::string state_json(const ContainerState& state);

/// "TERM", "SIGTERM", "15". @throws InputError
int signal_number(const std::string& text);

/// Sends it to the first process. @throws InputError when the container does not run
void kill_container(const std::filesystem::path& root, const std::string& id, int signal);

enum class Deletion {
    OfStopped,  ///< refuses one that runs
    Forced,     ///< kills first; what is not there is fine
};
/// Removes the cgroup, with whatever runs in it, and the state.
void delete_container(const std::filesystem::path& root, const std::string& id, Deletion deletion);

}  // namespace drydock
