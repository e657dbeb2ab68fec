#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/hierarchy.hpp"
#include "03-cgroups/limits.hpp"

namespace drydock {

/// Owns a container's cgroup: its directories and whatever runs in them. Empty where none can be
/// had.
class Cgroup {
  public:
    Cgroup() noexcept = default;
    Cgroup(std::unique_ptr<Group> group, GroupPlace place) noexcept;
    /// Kills what runs in it and removes it, best effort.
    ~Cgroup();
    Cgroup(Cgroup&& other) noexcept;
    Cgroup& operator=(Cgroup&& other) noexcept;
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return group_ != nullptr; }
    [[nodiscard]] const GroupPlace& place() const noexcept { return place_; }

    /// Sets those of the limits that are given, now or while it runs ("update"): all, or none when
    /// one fails. Adds to warnings().
    /// @param fresh nobody has been in it yet, and the caller removes it after a failure
    /// @throws InputError when a limit is below what can work, or there is no controller for it
    void set(const Limits& limits, bool fresh = false);
    /// Replaces the rules, also while it runs.
    void set_devices(std::span<const DeviceRule> rules);
    /// What was asked of set() and has no effect on this kernel, one text each.
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

    /// As Group's: for clone_child() with CLONE_INTO_CGROUP; -1 where there is none.
    [[nodiscard]] int clone_fd() const;
    /// The step "join-cgroup": moves the calling process into it, and with it all its children to
    /// come.
    /// @param born_inside it was cloned into clone_fd(), so only v1's trees are left to join
    void join(bool born_inside = false);
    void kill();
    /// Stops every process where it is, until thaw(). One that fails leaves it thawed.
    void freeze();
    void thaw();
    [[nodiscard]] bool frozen() const;
    [[nodiscard]] std::vector<pid_t> pids() const;
    [[nodiscard]] bool populated() const;
    [[nodiscard]] CgroupStatistics statistics() const;
    [[nodiscard]] std::int64_t oom_kills() const;
    /// A descriptor to poll for processes killed for want of memory. @see OomEvents
    [[nodiscard]] OomEvents oom_events() const;
    [[nodiscard]] std::vector<std::filesystem::path> directories() const;
    /// Removes the directories; empty afterwards. rmdir says EBUSY until the last process is
    /// reaped, so it is tried again until `within` is over.
    /// @throws std::system_error EBUSY with the directory's name
    void remove(std::chrono::milliseconds within = std::chrono::seconds(5));
    /// Gives it up without touching it.
    void release() noexcept;

  private:
    std::unique_ptr<Group> group_{};
    GroupPlace place_{};
    std::vector<std::string> warnings_{};
};

/// The step "cgroup": makes a group with these limits at `path`, below "drydock/" unless it begins
/// with "/": in the tree's root where we may, else below our own group. Where no group can be had
/// and no limit is asked for the result is empty.
/// @throws InputError when a limit is asked for that cannot be had here, naming it; nothing is left
/// behind
Cgroup make_cgroup(const std::string& path, const Limits& limits,
                   const Hierarchy& hierarchy = find_hierarchy());

/// What is left of the group at `place`, to clean up after a crash; empty when nothing is.
Cgroup open_cgroup(const GroupPlace& place, const Hierarchy& hierarchy = find_hierarchy());

/// Removes the groups of `drydock-03 run` whose maker was killed before it could: those named
/// run_group_name() of a process that is no more, below "drydock/", with nobody in them. Best
/// effort.
void sweep_run_groups(const Hierarchy& hierarchy = find_hierarchy());
/// "run-PID-START", after the calling process: a name that no later one has.
std::string run_group_name();

/// The step "cgroup-namespace": from now on this process sees its own group as the root of every
/// tree.
void enter_cgroup_namespace();

}  // namespace drydock
