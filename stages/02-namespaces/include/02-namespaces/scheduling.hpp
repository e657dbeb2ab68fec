#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace drydock {

/// @see ioprio_set(2)
struct IoPriority {
    int class_ = 0;  ///< 1 real time, 2 best effort, 3 idle
    int level = 0;   ///< 0 (first) to 7
};

/// @see sched_setattr(2)
struct SchedulingPolicy {
    std::uint32_t policy = 0;  ///< SCHED_*
    std::uint64_t flags = 0;   ///< SCHED_FLAG_*
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};

/// "IOPRIO_CLASS_BE" → 2. @throws InputError
int io_priority_class(std::string_view name);
/// "SCHED_BATCH" → 3. @throws InputError
std::uint32_t scheduling_policy(std::string_view name);
/// "SCHED_FLAG_RESET_ON_FORK" → 1. @throws InputError
std::uint64_t scheduling_flag(std::string_view name);

/// For this process and those that it starts from here on.
/// @throws std::system_error EPERM: most need CAP_SYS_NICE
void set_io_priority(const IoPriority& priority);
void set_scheduling(const SchedulingPolicy& policy);

/// Keeps this process on these CPUs.
/// @param list as cpuset(7) writes it: "0-3,7"
/// @throws InputError for what is no such list, or has none of this machine's CPUs
void set_cpu_affinity(const std::string& list);

}  // namespace drydock
