#pragma once

#include <cstdint>
#include <span>

namespace drydock {

/// What is added to a clock of a time namespace.
struct ClockOffset {
    int clock = 0;  ///< CLOCK_MONOTONIC or CLOCK_BOOTTIME
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};

/// This process is in a new time namespace afterwards, whose clocks are ahead of the old one's by
/// `offsets`. To be called while /proc is the host's.
/// @see time_namespaces(7)
void enter_time_namespace(std::span<const ClockOffset> offsets);

}  // namespace drydock
