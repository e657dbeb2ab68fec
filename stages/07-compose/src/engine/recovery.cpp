// What a new daemon finds of the containers of an earlier one.
#include <thread>
#include <utility>

#include "03-cgroups/lifecycle.hpp"
#include "03-cgroups/shim_process.hpp"
#include "03-cgroups/state.hpp"
#include "07-compose/engine/engine.hpp"

#include "engine/ending.hpp"
#include "engine/entry.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

constexpr int kUnknownEnd = 255;  ///< the machine went down under it: what docker says

/// The record of a container that has ended and whose shim may be about to write it.
std::optional<ExitRecord> await_exit_record(const std::filesystem::path& bundle) {
    for (const auto deadline = std::chrono::steady_clock::now() + 2s;
         std::chrono::steady_clock::now() < deadline;) {
        if (auto record = read_exit_record(bundle)) {
            return record;
        }
        std::this_thread::sleep_for(10ms);
    }
    return std::nullopt;
}

}  // namespace

void Engine::take_up(Container container) {
    const auto one = std::make_shared<Entry>();
    one->container = std::move(container);
    const std::string id = one->container.id;
    {
        const std::lock_guard lock(mutex_);
        entries_[id] = one;
        names_[one->container.name] = id;
    }
    ContainerStatus& state = one->container.state;
    if (state.status == Status::Running || state.starting) {
        adopt(one);
    }
    if (state.status == Status::Exited && one->container.config.auto_remove) {
        discard(one, true);
    }
}

void Engine::adopt(const EntryPtr& one) {
    const std::string& id = one->container.id;
    ContainerStatus& state = one->container.state;
    const bool same_boot = state.boot_id == this_boot_id();
    if (auto running = same_boot ? reconnect(id, runtime_root()) : std::nullopt) {
        state.status = Status::Running;
        state.starting = false;
        state.pid = running->pid;
        state.started_at = state.started_at ? state.started_at : now();
        one->pidfd = std::move(running->pidfd);
        one->shim_pidfd = std::move(running->shim_pidfd);
        save_state(one);
        networks_.adopt(one->container);
        watcher_->watch(one->shim_pidfd.get(), id);
        begin_health_watch(one);
        return;
    }
    networks_.stop(id);
    unshare_namespaces(one->container);
    // Of the same boot: the shim may be about to write how it ended. A start that never happened
    // has no record.
    state.paused = false;
    const bool ran = state.status == Status::Running;
    const auto record = same_boot && ran ? await_exit_record(store_.directory(id))
                                         : read_exit_record(store_.directory(id));
    if (ran || record) {
        set_ended(state, record, same_boot ? kKilled : kUnknownEnd);
    } else {
        state.starting = false;
        state.error = "the daemon ended while it started this container";
    }
    // Its shim may have been killed too: then its cgroup and its state are still there.
    delete_container(runtime_root(), id, Deletion::Forced);
    save_state(one);
}

}  // namespace drydock
