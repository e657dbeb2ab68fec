#pragma once

#include <chrono>

#include "07-compose/engine/container.hpp"

namespace drydock {

/// Whether a container that has ended like this is to be started again by its policy.
bool is_restarted(const RestartPolicy& policy, const ContainerStatus& ended);
/// The same for one that a new daemon finds: "always" is always then, whoever stopped it.
bool is_restarted_by_new_daemon(const RestartPolicy& policy, const ContainerStatus& ended);

/// How long to wait before the next start: 100 ms, twice as long each time, at most a minute; from
/// the beginning after a run of 10 s.
/// @param last what this said the last time; 0: never
std::chrono::milliseconds next_back_off(std::chrono::milliseconds last,
                                        const ContainerStatus& ended);

}  // namespace drydock
