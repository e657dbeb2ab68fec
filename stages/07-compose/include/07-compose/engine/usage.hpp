#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/cgroup_statistics.hpp"
#include "07-compose/engine/time_text.hpp"

namespace drydock {

/// What went through one network interface.
struct InterfaceCounters {
    std::string name{};
    std::uint64_t rx_bytes = 0;
    std::uint64_t rx_packets = 0;
    std::uint64_t rx_errors = 0;
    std::uint64_t rx_dropped = 0;
    std::uint64_t tx_bytes = 0;
    std::uint64_t tx_packets = 0;
    std::uint64_t tx_errors = 0;
    std::uint64_t tx_dropped = 0;
};

/// What a container, and the whole machine, had used at one moment.
struct ContainerUsage {
    Time at{};
    CgroupStatistics cgroup{};
    std::uint64_t system_cpu_ns = 0;  ///< of all CPUs together, also while they were idle
    unsigned online_cpus = 0;
    std::vector<InterfaceCounters> interfaces{};  ///< without lo
};

/// What ps(1) says, a row for each process.
struct ProcessList {
    std::vector<std::string> titles{};
    std::vector<std::vector<std::string>> rows{};
};

/// The lines of /proc/PID/net/dev, without lo.
std::vector<InterfaceCounters> parse_interface_counters(std::string_view text);
/// Of the first line of /proc/stat.
std::uint64_t parse_system_cpu_ns(std::string_view text);
/// The rows of `text` whose column PID is one of `pids`.
/// @throws InputError when there is no such column
ProcessList parse_process_list(std::string_view text, const std::vector<int>& pids);

}  // namespace drydock
