#pragma once

#include <string_view>

namespace drydock {

/// A step of a transfer ends here. DRYDOCK_FAIL=STEP:kill ends the process with SIGKILL,
/// DRYDOCK_FAIL=STEP:error=N makes the step fail with errno N: crash tests use it, as they do
/// Walk's.
void fault_after(std::string_view step);

}  // namespace drydock
