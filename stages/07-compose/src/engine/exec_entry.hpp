#pragma once

#include <mutex>

#include "03-cgroups/shim_client.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/exec_record.hpp"

namespace drydock {

/// What the engine keeps about an exec.
struct Engine::Exec {
    std::mutex mutex{};  ///< guards all below; held while it is started
    ExecRecord record{};
    ShimExec running{};
};

}  // namespace drydock
