#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "07-compose/engine/engine.hpp"

#include "engine/health_watch.hpp"

namespace drydock {

/// What the engine knows about one container. All but `operation` is guarded by the engine's mutex.
struct Engine::Entry {
    Container container{};
    UniqueFd pidfd{};                       ///< of its first process, while it runs
    UniqueFd shim_pidfd{};                  ///< of its shim
    bool removed = false;                   ///< it is gone; only who waits for that still looks
    bool between_stop_and_start = false;    ///< restart() has it: an end is not its end
    unsigned start_number = 0;              ///< counts the times it was started or told to stop
    std::chrono::milliseconds back_off{0};  ///< before the last start by its restart policy
    std::vector<std::weak_ptr<Waiter>> waiters{};
    std::vector<Attachment> attachments{};  ///< those who wait for its next start
    std::shared_ptr<KeptFiles> files = std::make_shared<KeptFiles>();
    std::unique_ptr<HealthWatch> health_watch{};  ///< guarded by `operation`
    std::mutex
        operation{};  ///< held while it is started or removed; taken before the engine's mutex
};

}  // namespace drydock
