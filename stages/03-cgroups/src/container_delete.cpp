#include "03-cgroups/container_delete.hpp"

#include <poll.h>

#include <csignal>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/record.hpp"
#include "03-cgroups/runtime_log.hpp"

#include "hook_process.hpp"
#include "process_signal.hpp"
#include "saved_config.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// Whoever waits for the container removes what it made: two who remove the same thing would trip
/// over each other.
void await_end(const ProcessIdentity& process) {
    constexpr int kDeadlineMs = 10'000;
    const UniqueFd pidfd = process.pid > 0 ? open_pidfd(process.pid) : UniqueFd();
    if (pidfd && alive(process)) {
        pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
        check(::poll(&ended, 1, kDeadlineMs), "poll(pidfd of pid {})", process.pid);
    }
}

/// A group that was being made when its maker died may be in either place.
void remove_cgroups(const GroupPlace& place) {
    for (const bool below_own : {false, true}) {
        Cgroup cgroup = open_cgroup({.path = place.path, .below_own = below_own});
        cgroup.kill();
        cgroup.remove();
    }
}

/// What is left of a container whose state cannot be read any more: its group is named after it
/// unless the bundle says otherwise.
void delete_damaged(const fs::path& root, const std::string& id) {
    remove_cgroups({.path = cgroup_place_path(id)});
    remove_state(root, id);
}

void end_processes(const ContainerState& state) {
    // One that is only being made ends with its maker.
    signal_process(state.init.pid != 0 ? state.init : state.keeper, SIGKILL);
    Cgroup cgroup = open_cgroup(state.cgroup);
    if (cgroup.frozen()) {
        cgroup.thaw();
    }
    cgroup.release();
    await_end(state.keeper);
    await_end(state.init);
}

/// None when nothing tells any more: that keeps no container from being removed.
std::vector<oci::Hook> poststop_hooks(int container, const ContainerState& state) {
    try {
        return saved_config(container, state).hooks.poststop;
    } catch (const std::exception& e) {
        log_debug(fmt::format("no hooks: {}", e.what()));
        return {};
    }
}

/// With the container in our hands.
void delete_held(const ContainerLock& lock, const fs::path& root, const std::string& id,
                 Deletion deletion) {
    ContainerState state;
    std::vector<oci::Hook> hooks;
    try {
        state = load_state(root, id);
        hooks = poststop_hooks(lock.directory(), state);
    } catch (const InputError&) {
        if (deletion != Deletion::Forced) {
            throw;
        }
        delete_damaged(root, id);
        return;
    }
    if (const std::string_view status = status_of(state);
        deletion == Deletion::OfStopped && status != "stopped") {
        throw InputError(
            fmt::format("container \"{}\" is {}; stop it first, or use --force", id, status));
    }
    if (state.boot_id == this_boot_id()) {
        end_processes(state);
    }
    remove_cgroups(state.cgroup);
    const std::string last_state = hooks.empty() ? "" : state_json(state, "stopped");
    remove_state(root, id);
    warn(run_late_hooks("poststop", hooks, last_state));
}

/// Ends who makes or keeps the container and holds it meanwhile, so that we can hold it.
void end_keeper(const fs::path& root, const std::string& id) {
    try {
        const ContainerState state = load_state(root, id);
        if (state.boot_id == this_boot_id() && status_of(state) == "creating") {
            signal_process(state.keeper, SIGKILL);
        }
    } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): damaged, or gone
    }
}

}  // namespace

void delete_container(const fs::path& root, const std::string& id, Deletion deletion) {
    check_container_id(id);
    std::error_code ignored;
    if (deletion == Deletion::Forced) {
        if (!fs::exists(root / id, ignored)) {
            return;
        }
        end_keeper(root, id);
    }
    try {
        const ContainerLock lock(root, id);
        delete_held(lock, root, id, deletion);
    } catch (const InputError&) {
        // Its keeper may have been quicker.
        if (deletion != Deletion::Forced || fs::exists(root / id, ignored)) {
            throw;
        }
    }
}

}  // namespace drydock
