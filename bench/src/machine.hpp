#pragma once

#include <nlohmann/json_fwd.hpp>

namespace drydock::bench {

/// What the figures depend on: kernel, processor, memory, load, cgroup layout, and when they were
/// taken.
nlohmann::json machine_card();

}  // namespace drydock::bench
