#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// A rate or a weight for one block device.
struct BlockDeviceValue {
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::int64_t value = 0;  ///< bytes or operations a second; weight: 10 to 1000; rate 0: no limit
    bool operator==(const BlockDeviceValue&) const = default;
};

/// linux.resources.blockIO of config.json, under its names.
struct IoLimits {
    std::optional<std::int64_t> weight{};       ///< 10 to 1000, 500 by default
    std::optional<std::int64_t> leaf_weight{};  ///< no kernel since 5.0 has it: a warning
    std::vector<BlockDeviceValue> device_weights{};
    std::vector<BlockDeviceValue> read_bytes{};   ///< bytes a second
    std::vector<BlockDeviceValue> write_bytes{};  ///< bytes a second
    std::vector<BlockDeviceValue> read_operations{};
    std::vector<BlockDeviceValue> write_operations{};

    [[nodiscard]] bool any() const noexcept {
        return weight || leaf_weight || !device_weights.empty() || !read_bytes.empty() ||
               !write_bytes.empty() || !read_operations.empty() || !write_operations.empty();
    }
    bool operator==(const IoLimits&) const = default;
};

struct HugetlbLimit {
    std::string page_size{};  ///< "2MB", "1GB", as in the names of the kernel's files
    std::int64_t bytes = 0;
    bool operator==(const HugetlbLimit&) const = default;
};

struct RdmaLimit {
    std::string device{};                       ///< "mlx5_1"
    std::optional<std::int64_t> hca_handles{};  ///< none: as many as there are
    std::optional<std::int64_t> hca_objects{};
    bool operator==(const RdmaLimit&) const = default;
};

struct InterfacePriority {
    std::string name{};  ///< "eth0"
    std::int64_t priority = 0;
    bool operator==(const InterfacePriority&) const = default;
};

/// What a container may use at most. Nothing: as much as there is. For a group that runs already
/// (Cgroup::set): what is nothing stays as it is, and -1 takes a limit of memory, swap, CPU time or
/// processes away.
/// @see OCI runtime-spec, config-linux.md, "Control groups"
struct Limits {
    std::optional<std::int64_t> memory_bytes{};
    std::optional<std::int64_t> memory_swap_bytes{};  ///< memory and swap together; -1: no limit
    std::optional<std::int64_t> nano_cpus{};   ///< CPU time per time: 500'000'000 is half a CPU
    std::int64_t cpu_period_us = 100'000;      ///< in which nano_cpus is shared out
    std::optional<std::int64_t> cpu_shares{};  ///< weight, 2 to 262144; 1024 by default
    std::optional<std::int64_t> pids{};        ///< processes and threads at once

    std::optional<std::int64_t> memory_reservation_bytes{};  ///< kept when memory is short
    std::optional<std::int64_t> kernel_memory_bytes{};       ///< no kernel since 5.16: a warning
    std::optional<std::int64_t> kernel_tcp_bytes{};          ///< v1 only; elsewhere a warning
    std::optional<std::int64_t> swappiness{};                ///< 0 to 100; v1 only
    std::optional<bool> disable_oom_killer{};                ///< true: v1 only
    /// The kernel kills the whole group for want of memory, not one of it. v2 only.
    std::optional<bool> oom_group{};
    /// Refuses a memory limit below what is in use now, instead of killing for it.
    bool check_before_update = false;

    std::optional<std::int64_t> cpu_burst_us{};             ///< saved up from quiet periods
    std::optional<std::int64_t> cpu_realtime_runtime_us{};  ///< v1 with CONFIG_RT_GROUP_SCHED
    std::optional<std::int64_t> cpu_realtime_period_us{};
    std::optional<std::int64_t> cpu_idle{};  ///< 1: runs only when nobody else wants to
    std::string cpuset_cpus{};               ///< "0-3,7"; "": all
    std::string cpuset_mems{};               ///< memory nodes, the same

    IoLimits io{};
    std::vector<HugetlbLimit> hugetlb{};
    std::vector<RdmaLimit> rdma{};
    std::optional<std::int64_t> net_class_id{};       ///< v1 only
    std::vector<InterfacePriority> net_priorities{};  ///< v1 only
    std::map<std::string, std::string> unified{};     ///< v2 only: file name to what is written

    /// Whether one is asked for: "no limit" is none.
    [[nodiscard]] bool any() const;
    bool operator==(const Limits&) const = default;
};

/// The smallest limits that a container can start with; the same as docker's.
inline constexpr std::int64_t kMinMemoryBytes = std::int64_t{6} << 20;
inline constexpr std::int64_t kMinNanoCpus = 10'000'000;

/// Bytes from "64m", "1g", "512k", "1048576", "1.5g", "64MiB"; powers of 1024, upper or lower case.
/// @throws InputError naming `what` ("--memory") and what was expected
std::int64_t parse_size(std::string_view text, std::string_view what);
/// Billionths of a CPU from "0.5", "2".
/// @throws InputError
std::int64_t parse_cpus(std::string_view text, std::string_view what);
/// "64 MiB", "1.5 GiB", "1000 bytes".
std::string size_text(std::int64_t bytes);

/// @throws InputError when a limit is below what can work (6 MiB, 0.01 CPU, 1 process), swap below
/// memory, or a value not one that any kernel takes
void check_limits(const Limits& limits);

/// "killed: out of memory (limit 64 MiB)" for a command that SIGKILL ended while the kernel was
/// killing for want of memory; else "".
std::string oom_text(int exit_status, bool oom_killed, const Limits& limits);

/// The CFS quota in microseconds per limits.cpu_period_us; -1 without a limit.
std::int64_t cpu_quota_us(const Limits& limits);
/// v2's weight (1 to 10000) for v1's and docker's shares (2 to 262144).
std::int64_t cpu_weight(std::int64_t shares);
/// v2's io.weight (1 to 10000) for the weights of config.json and docker (10 to 1000).
std::int64_t io_weight(std::int64_t weight);

}  // namespace drydock
