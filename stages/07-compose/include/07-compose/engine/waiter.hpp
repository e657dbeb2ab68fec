#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// What POST /containers/{id}/wait waits for.
enum class WaitCondition {
    NotRunning,  ///< done at once when it does not run
    NextExit,    ///< the next end, also of a container that is not started yet
    Removed,     ///< it is gone; the answer is its last exit code
};
/// "", "not-running", "next-exit", "removed".
/// @throws InputError
WaitCondition parse_wait_condition(std::string_view text);

/// Somebody who waits for a container. Registered when it is made, so what happens from then on is
/// not missed.
struct Waiter {
    WaitCondition condition = WaitCondition::NotRunning;
    UniqueFd event{};   ///< an eventfd: readable once it is over
    int exit_code = 0;  ///< valid then
    std::string error{};
};

}  // namespace drydock
