#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drydock {

/// What a container may use at most. Nothing: as much as there is.
struct Limits {
    std::optional<std::int64_t> memory_bytes{};
    std::optional<std::int64_t> memory_swap_bytes{};  ///< memory and swap together; -1: no limit
    std::optional<std::int64_t> nano_cpus{};   ///< CPU time per time: 500'000'000 is half a CPU
    std::int64_t cpu_period_us = 100'000;      ///< in which nano_cpus is shared out
    std::optional<std::int64_t> cpu_shares{};  ///< weight, 2 to 262144; 1024 by default
    std::optional<std::int64_t> pids{};        ///< processes and threads at once

    [[nodiscard]] bool any() const noexcept {
        return memory_bytes || memory_swap_bytes || nano_cpus || cpu_shares || pids;
    }
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

/// @throws InputError when a limit is below what can work (6 MiB, 0.01 CPU, 1 process) or swap
/// below memory
void check_limits(const Limits& limits);

/// "killed: out of memory (limit 64 MiB)" for a command that SIGKILL ended while the kernel was
/// killing for want of memory; else "".
std::string oom_text(int exit_status, bool oom_killed, const Limits& limits);

/// The CFS quota in microseconds per limits.cpu_period_us; -1 without a limit.
std::int64_t cpu_quota_us(const Limits& limits);
/// v2's weight (1 to 10000) for v1's and docker's shares (2 to 262144).
std::int64_t cpu_weight(std::int64_t shares);

}  // namespace drydock
