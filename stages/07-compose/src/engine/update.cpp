// Changing what a container may use, and what becomes of it at its end.
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"

namespace drydock {
namespace {

template <class T>
void take_given(std::optional<T>& into, const std::optional<T>& given) {
    into = given ? given : into;
}

Limits merged_limits(Limits limits, const Limits& given) {
    take_given(limits.memory_bytes, given.memory_bytes);
    take_given(limits.memory_swap_bytes, given.memory_swap_bytes);
    take_given(limits.memory_reservation_bytes, given.memory_reservation_bytes);
    take_given(limits.swappiness, given.swappiness);
    take_given(limits.nano_cpus, given.nano_cpus);
    take_given(limits.cpu_shares, given.cpu_shares);
    take_given(limits.pids, given.pids);
    take_given(limits.io.weight, given.io.weight);
    if (given.nano_cpus) {
        limits.cpu_period_us = given.cpu_period_us;
    }
    limits.cpuset_cpus = given.cpuset_cpus.empty() ? limits.cpuset_cpus : given.cpuset_cpus;
    limits.cpuset_mems = given.cpuset_mems.empty() ? limits.cpuset_mems : given.cpuset_mems;
    return limits;
}

}  // namespace

void Engine::update(std::string_view name, const Limits& limits,
                    const std::optional<RestartPolicy>& restart) {
    const EntryPtr one = entry(name);
    const std::lock_guard operation(one->operation);
    Container changed = find(one->container.id);
    changed.config.limits = merged_limits(changed.config.limits, limits);
    check_limits(changed.config.limits);
    changed.config.restart = restart.value_or(changed.config.restart);
    if (changed.config.auto_remove && changed.config.restart.name != "no") {
        throw EngineError(
            Refusal::Conflict,
            fmt::format("Cannot update container {}: Restart policy cannot be updated because "
                        "AutoRemove is enabled for the container",
                        changed.id));
    }
    if (changed.state.status == Status::Running && limits != Limits{}) {
        update_container(runtime_root(), changed.id, limits, {});
    }
    set_bundle_limits(store_.directory(changed.id), changed.config.limits);
    const std::lock_guard lock(mutex_);
    one->container.config.limits = changed.config.limits;
    one->container.config.restart = changed.config.restart;
    store_.save(one->container);
    tell(one->container, "update");
}

}  // namespace drydock
