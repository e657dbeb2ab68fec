#include "03-cgroups/limits.hpp"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <csignal>
#include <limits>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr double kMaxInt64 = 9.2e18;

/// A decimal number at the front of `text`, which it is taken off; nothing when there is none.
std::optional<double> take_number(std::string_view& text) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number) || number < 0) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

/// How many bits the unit stands for: "m", "MB" and "MiB" are 20.
std::optional<unsigned> unit_bits(std::string_view unit) {
    std::string lower;
    for (const char c : unit) {
        lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    constexpr std::string_view kUnits = "bkmgt";
    const auto index = lower.empty() ? 0 : kUnits.find(lower.front());
    const std::string_view rest =
        lower.empty() ? std::string_view() : std::string_view(lower).substr(1);
    if (index == std::string_view::npos ||
        (!rest.empty() && (index == 0 || (rest != "b" && rest != "ib")))) {
        return std::nullopt;
    }
    return static_cast<unsigned>(index) * 10;
}

}  // namespace

std::int64_t parse_size(std::string_view text, std::string_view what) {
    std::string_view rest = text;
    const std::optional<double> number = take_number(rest);
    const std::optional<unsigned> bits = unit_bits(rest);
    if (!number || !bits) {
        throw InputError(fmt::format(
            "{}: invalid size \"{}\"; expected a number and b, k, m or g, as in 64m", what, text));
    }
    const double bytes = *number * static_cast<double>(std::uint64_t{1} << *bits);
    if (bytes > kMaxInt64) {
        throw InputError(fmt::format("{}: size \"{}\" is too large", what, text));
    }
    return static_cast<std::int64_t>(bytes);
}

std::int64_t parse_cpus(std::string_view text, std::string_view what) {
    constexpr double kBillion = 1e9;
    std::string_view rest = text;
    const std::optional<double> number = take_number(rest);
    if (!number || !rest.empty() || *number * kBillion > kMaxInt64) {
        throw InputError(fmt::format(
            "{}: invalid number of CPUs \"{}\"; expected one as in 0.5 or 2", what, text));
    }
    return std::llround(*number * kBillion);
}

std::string size_text(std::int64_t bytes) {
    constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
    constexpr double kStep = 1024;
    double amount = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (amount >= kStep && unit < kUnits.size()) {
        amount /= kStep;
        ++unit;
    }
    if (unit == 0) {
        return fmt::format("{} bytes", bytes);
    }
    return fmt::format("{:.4g} {}", amount, kUnits.at(unit - 1));
}

void check_limits(const Limits& limits) {
    if (limits.memory_bytes && *limits.memory_bytes < kMinMemoryBytes) {
        throw InputError(fmt::format("memory limit {}: expected at least {}",
                                     size_text(*limits.memory_bytes), size_text(kMinMemoryBytes)));
    }
    if (limits.memory_swap_bytes && *limits.memory_swap_bytes != -1 &&
        *limits.memory_swap_bytes < limits.memory_bytes.value_or(0)) {
        throw InputError(
            fmt::format("memory and swap limit {}: expected at least the memory limit, {}, or -1",
                        size_text(*limits.memory_swap_bytes), size_text(*limits.memory_bytes)));
    }
    if (limits.nano_cpus && *limits.nano_cpus < kMinNanoCpus) {
        throw InputError(fmt::format("CPU limit {}: expected at least 0.01",
                                     static_cast<double>(*limits.nano_cpus) / 1e9));
    }
    if (limits.cpu_period_us < 1000 || limits.cpu_period_us > 1'000'000) {
        throw InputError(
            fmt::format("CPU period {} µs: expected 1000 to 1000000", limits.cpu_period_us));
    }
    if (limits.cpu_shares && (*limits.cpu_shares < 2 || *limits.cpu_shares > 262144)) {
        throw InputError(fmt::format("CPU shares {}: expected 2 to 262144", *limits.cpu_shares));
    }
    if (limits.pids && *limits.pids < 1) {
        throw InputError(fmt::format("pids limit {}: expected at least 1", *limits.pids));
    }
}

std::string oom_text(int exit_status, bool oom_killed, const Limits& limits) {
    if (!oom_killed || exit_status != 128 + SIGKILL) {
        return "";
    }
    return limits.memory_bytes
               ? fmt::format("killed: out of memory (limit {})", size_text(*limits.memory_bytes))
               : "killed: out of memory";
}

std::int64_t cpu_quota_us(const Limits& limits) {
    if (!limits.nano_cpus) {
        return -1;
    }
    return std::llround(static_cast<double>(*limits.nano_cpus) *
                        static_cast<double>(limits.cpu_period_us) / 1e9);
}

std::int64_t cpu_weight(std::int64_t shares) {
    // The line through (2, 1) and (262144, 10000), as runc and crun convert.
    return 1 + (shares - 2) * 9999 / 262142;
}

}  // namespace drydock
