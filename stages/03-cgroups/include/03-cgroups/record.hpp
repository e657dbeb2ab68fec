#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/run.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {

/// Holds one container for one operation: whoever else asks for it waits until this goes.
/// @see flock(2)
class ContainerLock {
  public:
    ContainerLock() noexcept = default;
    /// @throws InputError when there is no such container, or it went while we waited
    ContainerLock(const std::filesystem::path& root, const std::string& id);
    /// Lets go, for copies of the descriptor in children as well.
    ~ContainerLock();
    ContainerLock(ContainerLock&& other) noexcept;
    ContainerLock& operator=(ContainerLock&& other) noexcept;
    ContainerLock(const ContainerLock&) = delete;
    ContainerLock& operator=(const ContainerLock&) = delete;

    /// The container's directory ROOT/ID, lent.
    [[nodiscard]] int directory() const noexcept { return directory_.get(); }

  private:
    UniqueFd directory_{};
};

/// What Record begins with.
struct NewContainer {
    std::string id{};
    std::filesystem::path bundle{};  ///< absolute
    std::filesystem::path rootfs{};  ///< absolute
    std::string cgroup_path{};       ///< as for make_cgroup()
    std::map<std::string, std::string> annotations{};
    std::string config{};  ///< the text of config.json: later changes to it have no effect
};

/// Keeps a container's state on disk from before its cgroup is made until after it is gone, and
/// holds the container (ContainerLock) until unlock().
class Record {
  public:
    /// @throws InputError when there is a container with that ID
    Record(const std::filesystem::path& root, const NewContainer& container);
    /// For callers who keep no more than that.
    Record(const std::filesystem::path& root, const std::string& id,
           const std::filesystem::path& bundle, const std::string& cgroup_path);

    /// Notes what runs.
    void running(stage03::Running& running);
    /// Notes what waits for `start`, and that nobody keeps it.
    void created(stage03::Running& running);
    void unlock() { lock_ = ContainerLock(); }
    void remove() { entry_.remove(); }
    /// The container lives on without us: its state stays.
    void keep() { entry_.release(); }

    [[nodiscard]] const ContainerState& state() const noexcept { return state_; }
    /// ROOT/ID, lent.
    [[nodiscard]] int directory() const noexcept { return lock_.directory(); }

  private:
    void note(stage03::Running& running);

    StateEntry entry_;
    ContainerLock lock_;
    ContainerState state_{};
};

/// Where make_cgroup() puts a group of this path, below a tree's root.
std::string cgroup_place_path(const std::string& cgroup_path);

/// Replaces `file` whole. "": nothing to do.
void write_pid_file(const std::filesystem::path& file, pid_t pid);

/// status_of(), and whether it is paused, which its cgroup knows.
std::string_view full_status(const ContainerState& state);

/// The session keyring's name for a container. @see keyring.hpp
std::string keyring_name(const std::string& id);

/// The state as the specification writes it, with runc's "rootfs" and "owner".
/// @param status "": as it is now
/// @see OCI runtime-spec, runtime.md, "State"
std::string state_json(const ContainerState& state, std::string_view status = {});

}  // namespace drydock
