#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/hierarchy.hpp"

namespace drydock {

/// The version of the OCI runtime-spec that is spoken here.
inline constexpr const char* kOciVersion = "1.2.0";

/// A process that can be told from a later one with the same pid.
struct ProcessIdentity {
    pid_t pid = 0;                 ///< 0: none
    std::uint64_t start_time = 0;  ///< clock ticks since the boot, field 22 of /proc/PID/stat
    bool operator==(const ProcessIdentity&) const = default;
};
/// @return empty when there is no such process
std::optional<ProcessIdentity> identify(pid_t pid);
/// The parent of process `pid`; 0 when there is no such process.
pid_t parent_of(pid_t pid);
/// Whether it is still there, and no zombie.
bool alive(const ProcessIdentity& process);

/// What the runtime remembers about a container, in ROOT/ID/state.json.
struct ContainerState {
    std::string id{};
    std::filesystem::path bundle{};  ///< absolute
    ProcessIdentity init{};          ///< the container's first process; pid 0 while it is created
    ProcessIdentity keeper{};        ///< drydock-runtime run, or the shim: it waits for init
    std::string boot_id{};           ///< of the boot in which the pids mean something
    GroupPlace cgroup{};
    std::string created{};           ///< RFC 3339
    std::filesystem::path rootfs{};  ///< absolute
    std::map<std::string, std::string> annotations{};
    bool waits_for_start = false;  ///< its command has not been started (start_gate.hpp)
    bool operator==(const ContainerState&) const = default;
};
/// "creating", "created", "running" or "stopped" (OCI runtime-spec, runtime.md, State), as the
/// processes are now: of a state file whose container died without its keeper this says "stopped".
std::string_view status_of(const ContainerState& state);

/// Letters, digits and "_+-.", beginning with a letter or digit, at most 1024: never "." or "..".
/// @throws InputError
void check_container_id(std::string_view id);

/// Owns ROOT/ID while its container lives. That the directory can be made is what makes the ID this
/// container's.
class StateEntry {
  public:
    StateEntry() noexcept = default;
    /// @throws InputError when there is a container with that ID
    StateEntry(const std::filesystem::path& root, const std::string& id);
    /// Removes it, best effort.
    ~StateEntry();
    StateEntry(StateEntry&& other) noexcept;
    StateEntry& operator=(StateEntry&& other) noexcept;
    StateEntry(const StateEntry&) = delete;
    StateEntry& operator=(const StateEntry&) = delete;

    /// Replaces state.json whole.
    void save(const ContainerState& state) const;
    void remove();
    /// Gives it up: it stays. Empty afterwards.
    void release() noexcept { directory_.clear(); }

  private:
    std::filesystem::path directory_{};
};

/// The answer to a name that is nobody's.
[[noreturn]] void throw_no_container(const std::filesystem::path& root, const std::string& id);

/// @throws InputError when there is no such container, or its state.json is damaged
ContainerState load_state(const std::filesystem::path& root, const std::string& id);
/// All of them, by ID; entries that cannot be read are left out.
std::vector<ContainerState> list_states(const std::filesystem::path& root);
/// Removes ROOT/ID. Nothing there is fine.
void remove_state(const std::filesystem::path& root, const std::string& id);

std::string this_boot_id();
/// Now, as RFC 3339 in UTC with nanoseconds: "2026-01-02T03:04:05.123456789Z".
std::string timestamp();

}  // namespace drydock
