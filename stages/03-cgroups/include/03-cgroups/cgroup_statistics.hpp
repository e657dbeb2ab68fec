#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace drydock {

/// How long tasks waited for a resource: parts of the time in percent, and a sum.
/// @see the kernel's psi.rst
struct PressureLine {
    double avg10 = 0;  ///< percent of the last 10 seconds
    double avg60 = 0;
    double avg300 = 0;
    std::int64_t total_us = 0;
};
struct Pressure {
    PressureLine some{};  ///< at least one task waited
    PressureLine full{};  ///< all of them did
};

/// -1: this kernel does not say; for limits also: there is none.
struct UseStatistics {
    std::int64_t usage = -1;
    std::int64_t peak = -1;
    std::int64_t limit = -1;
    std::int64_t failures = -1;  ///< times that the limit was run into
};

/// One line of an I/O counter: what a device did for the group.
struct IoCount {
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::string operation{};  ///< "Read", "Write", "Sync", "Async", "Discard", "Total"
    std::int64_t value = 0;
};

/// What a group has used and suffered so far. -1: this kernel does not say.
struct CgroupStatistics {
    std::int64_t memory_bytes = -1;
    std::int64_t memory_peak_bytes = -1;
    std::int64_t oom_kills =
        0;  ///< processes of the group that the kernel killed for want of memory
    std::int64_t cpu_ns = -1;
    std::int64_t throttled_periods =
        -1;  ///< CPU periods in which the group had to stop at its quota
    std::int64_t pids = -1;

    std::int64_t memory_limit_bytes = -1;
    std::int64_t memory_failures = -1;  ///< times that the limit was run into
    UseStatistics swap{};               ///< memory and swap together, as v1 counts
    UseStatistics kernel{};
    UseStatistics kernel_tcp{};
    std::int64_t anon_bytes = -1;                       ///< memory of the processes' own
    std::int64_t file_bytes = -1;                       ///< cached files
    std::int64_t inactive_file_bytes = -1;              ///< those of them that can go at once
    std::map<std::string, std::int64_t> memory_stat{};  ///< memory.stat as it is

    std::int64_t cpu_user_ns = -1;
    std::int64_t cpu_kernel_ns = -1;
    std::vector<std::int64_t> per_cpu_ns{};  ///< v1 only
    std::int64_t periods = -1;               ///< CPU periods with a quota
    std::int64_t throttled_ns = -1;

    std::int64_t pids_limit = -1;
    std::vector<IoCount> io_bytes{};
    std::vector<IoCount> io_operations{};
    std::map<std::string, UseStatistics> hugetlb{};  ///< by page size: "2MB"

    std::optional<Pressure> cpu_pressure{};
    std::optional<Pressure> memory_pressure{};
    std::optional<Pressure> io_pressure{};
};

/// The object that `runc events --stats` has as "data", as JSON text in one line.
std::string to_json(const CgroupStatistics& statistics);

}  // namespace drydock
