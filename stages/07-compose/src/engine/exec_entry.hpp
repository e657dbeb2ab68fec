#pragma once

#include <mutex>
#include <string_view>

#include "03-cgroups/shim_client.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/exec_record.hpp"

namespace drydock {

/// What the name of an exec begins with where those of containers are IDs (ExitWatcher).
inline constexpr std::string_view kExecPrefix = "exec ";

/// What the engine keeps about an exec.
struct Engine::Exec {
    std::mutex mutex{};  ///< guards all below; held while it is started
    ExecRecord record{};
    ShimExec running{};
};

}  // namespace drydock
