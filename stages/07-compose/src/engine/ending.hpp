#pragma once

#include <csignal>
#include <optional>

#include "03-cgroups/shim_process.hpp"
#include "07-compose/engine/container.hpp"

namespace drydock {

inline constexpr int kKilled = 128 + SIGKILL;

/// `state` of a container that ended as its shim noted; with `code_without_record`, now, when it
/// noted nothing.
void set_ended(ContainerStatus& state, const std::optional<ExitRecord>& record,
               int code_without_record);

}  // namespace drydock
