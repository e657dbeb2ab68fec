// Containers that are started again by their restart policy.
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "03-cgroups/state.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/restart_policy.hpp"

namespace drydock {

using namespace std::chrono_literals;

void Engine::start_later(const EntryPtr& one, std::chrono::milliseconds delay) {
    unsigned number = 0;
    {
        const std::lock_guard lock(mutex_);
        number = one->start_number;
    }
    timers_->after(delay, [this, id = one->container.id, number] { start_again(id, number); });
}

void Engine::start_again(const std::string& id, unsigned start_number) {
    try {
        const EntryPtr one = entry(id);
        const std::lock_guard operation(one->operation);
        {
            const std::lock_guard lock(mutex_);
            ContainerStatus& state = one->container.state;
            // Somebody may have stopped, started or removed it meanwhile.
            if (one->removed || state.status != Status::Restarting ||
                one->start_number != start_number) {
                return;
            }
            state.starting = true;
            state.boot_id = this_boot_id();
            save_state(one);
        }
        launch(one, true);
    } catch (const EngineError&) {  // NOLINT(bugprone-empty-catch): it was removed
    } catch (const std::exception& e) {
        fmt::print(stderr, "drydock-daemon: container {}: {}\n", id, e.what());
    }
}

bool Engine::give_up_restart(const EntryPtr& one) {
    const std::lock_guard operation(one->operation);  // a start under way comes first
    const std::lock_guard lock(mutex_);
    ContainerStatus& state = one->container.state;
    if (state.status != Status::Restarting) {
        return false;
    }
    state.status = Status::Exited;
    state.stop_asked = true;
    ++one->start_number;
    save_state(one);
    release(*one, WaitCondition::NextExit);
    return true;
}

void Engine::apply_restart_policies() {
    std::vector<EntryPtr> to_start;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, one] : entries_) {
            ContainerStatus& state = one->container.state;
            const bool has_ended =
                state.status == Status::Restarting ||
                (state.status == Status::Exited &&
                 is_restarted_by_new_daemon(one->container.config.restart, state));
            if (has_ended) {
                state.status = Status::Restarting;
                state.stop_asked = false;
                to_start.push_back(one);
            }
        }
    }
    for (const EntryPtr& one : to_start) {
        start_later(one, 0ms);
    }
}

}  // namespace drydock
