#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "07-compose/engine/engine.hpp"

namespace drydock {

/// What the engine knows about one container. All but `operation` is guarded by the engine's mutex.
struct Engine::Entry {
    Container container{};
    UniqueFd pidfd{};       ///< of its first process, while it runs
    UniqueFd shim_pidfd{};  ///< of its shim
    bool removed = false;   ///< it is gone; only who waits for that still looks
    std::vector<std::weak_ptr<Waiter>> waiters{};
    std::vector<Attachment> attachments{};  ///< those who wait for its next start
    std::mutex
        operation{};  ///< held while it is started or removed; taken before the engine's mutex
};

}  // namespace drydock
