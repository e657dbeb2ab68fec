// Stopping a container's processes where they are, and letting them go on.
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"

namespace drydock {

void Engine::pause(std::string_view name) {
    const EntryPtr one = entry(name);
    const std::lock_guard operation(one->operation);
    {
        const std::lock_guard lock(mutex_);
        const ContainerStatus& state = one->container.state;
        if (state.status != Status::Running || state.paused) {
            throw EngineError(Refusal::Conflict,
                              fmt::format("Container {} is {}", one->container.id,
                                          state.paused ? "already paused"
                                          : state.status == Status::Restarting
                                              ? "restarting, wait until the container is running"
                                              : "not running"));
        }
    }
    pause_container(runtime_root(), one->container.id);
    const std::lock_guard lock(mutex_);
    one->container.state.paused = true;
    save_state(one);
    tell(one->container, "pause");
}

void Engine::unpause(std::string_view name) {
    const EntryPtr one = entry(name);
    {
        const std::lock_guard lock(mutex_);
        if (!one->container.state.paused) {
            throw EngineError(Refusal::Conflict,
                              fmt::format("Container {} is not paused", one->container.id));
        }
    }
    thaw(one);
}

void Engine::thaw(const EntryPtr& one) {
    const std::lock_guard operation(one->operation);
    {
        const std::lock_guard lock(mutex_);
        if (!one->container.state.paused) {
            return;
        }
    }
    try {
        resume_container(runtime_root(), one->container.id);
    } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): it ends in this moment
    }
    const std::lock_guard lock(mutex_);
    one->container.state.paused = false;
    save_state(one);
    tell(one->container, "unpause");
}

}  // namespace drydock
