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

bool Limits::any() const {
    Limits asked = *this;
    for (auto* limit : {&asked.memory_bytes, &asked.memory_swap_bytes, &asked.nano_cpus,
                        &asked.pids, &asked.memory_reservation_bytes, &asked.kernel_memory_bytes,
                        &asked.kernel_tcp_bytes, &asked.cpu_realtime_runtime_us}) {
        if (*limit == -1) {
            limit->reset();
        }
    }
    asked.cpu_period_us = Limits().cpu_period_us;
    asked.check_before_update = false;
    return asked != Limits();
}

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

std::string oom_text(int exit_status, bool oom_killed, const Limits& limits) {
    if (!oom_killed || exit_status != 128 + SIGKILL) {
        return "";
    }
    return limits.memory_bytes
               ? fmt::format("killed: out of memory (limit {})", size_text(*limits.memory_bytes))
               : "killed: out of memory";
}

std::int64_t cpu_quota_us(const Limits& limits) {
    if (limits.nano_cpus.value_or(-1) == -1) {
        return -1;
    }
    return std::llround(static_cast<double>(*limits.nano_cpus) *
                        static_cast<double>(limits.cpu_period_us) / 1e9);
}

std::int64_t cpu_weight(std::int64_t shares) {
    // The line through (2, 1) and (262144, 10000), as runc and crun convert.
    return 1 + (shares - 2) * 9999 / 262142;
}

std::int64_t io_weight(std::int64_t weight) {
    // The line through (10, 1) and (1000, 10000), as runc and crun convert.
    return 1 + (weight - 10) * 9999 / 990;
}

}  // namespace drydock
