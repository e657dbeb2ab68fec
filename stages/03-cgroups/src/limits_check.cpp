// What limits have to be, before a kernel is asked.
#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/limits.hpp"

namespace drydock {
namespace {

void check_range(std::string_view what, std::optional<std::int64_t> value, std::int64_t least,
                 std::int64_t most) {
    if (value && (*value < least || *value > most)) {
        throw InputError(fmt::format("{} {}: expected {} to {}", what, *value, least, most));
    }
}

void check_memory(const Limits& limits) {
    const std::int64_t memory = limits.memory_bytes.value_or(-1);
    if (memory != -1 && memory < kMinMemoryBytes) {
        throw InputError(fmt::format("memory limit {}: expected at least {}", size_text(memory),
                                     size_text(kMinMemoryBytes)));
    }
    const std::int64_t swap = limits.memory_swap_bytes.value_or(-1);
    if (swap != -1 && swap < std::max<std::int64_t>(memory, 0)) {
        throw InputError(
            fmt::format("memory and swap limit {}: expected at least the memory limit, {}, or -1",
                        size_text(swap), size_text(std::max<std::int64_t>(memory, 0))));
    }
    if (limits.memory_reservation_bytes.value_or(0) < -1) {
        throw InputError("memory reservation: expected bytes, or -1 for none");
    }
    check_range("swappiness", limits.swappiness, 0, 100);
}

void check_cpu(const Limits& limits) {
    constexpr std::int64_t kLeastPeriod = 1000;
    constexpr std::int64_t kMostPeriod = 1'000'000;
    constexpr std::int64_t kLeastQuota = 1000;  // the kernel's own
    constexpr double kBillion = 1e9;
    if (limits.nano_cpus && *limits.nano_cpus != -1 && *limits.nano_cpus < kMinNanoCpus) {
        throw InputError(fmt::format("CPU limit {}: expected at least 0.01",
                                     static_cast<double>(*limits.nano_cpus) / kBillion));
    }
    if (limits.cpu_period_us < kLeastPeriod || limits.cpu_period_us > kMostPeriod) {
        throw InputError(
            fmt::format("CPU period {} µs: expected 1000 to 1000000", limits.cpu_period_us));
    }
    if (const std::int64_t quota = cpu_quota_us(limits); quota != -1 && quota < kLeastQuota) {
        throw InputError(fmt::format(
            "CPU limit {}: {} µs in a period of {} µs; expected at least 1000 µs",
            static_cast<double>(*limits.nano_cpus) / kBillion, quota, limits.cpu_period_us));
    }
    constexpr std::int64_t kMostShares = 262144;
    check_range("CPU shares", limits.cpu_shares, 2, kMostShares);
    check_range("CPU idle setting", limits.cpu_idle, 0, 1);
    if (limits.cpu_burst_us.value_or(0) < 0) {
        throw InputError("CPU burst: expected microseconds, 0 or more");
    }
    for (const std::string* list : {&limits.cpuset_cpus, &limits.cpuset_mems}) {
        if (list->find_first_not_of("0123456789,-") != std::string::npos) {
            throw InputError(
                fmt::format("cpuset \"{}\": expected numbers and ranges, as in 0-3,7", *list));
        }
    }
}

void check_io(const IoLimits& io) {
    constexpr std::int64_t kMostWeight = 1000;
    check_range("blkio weight", io.weight, 10, kMostWeight);
    for (const BlockDeviceValue& weight : io.device_weights) {
        check_range("blkio weight", weight.value, 10, kMostWeight);
    }
    for (const auto* rates :
         {&io.read_bytes, &io.write_bytes, &io.read_operations, &io.write_operations}) {
        for (const BlockDeviceValue& rate : *rates) {
            if (rate.value < 0 || rate.major < 0 || rate.minor < 0) {
                throw InputError(fmt::format(
                    "blkio rate of device {}:{}: expected a device's numbers and a rate of 0 or "
                    "more",
                    rate.major, rate.minor));
            }
        }
    }
}

/// A word that becomes part of a line or of a file's name.
bool is_plain_word(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '/'; });
}

void check_hugetlb(const HugetlbLimit& limit) {
    const std::string_view size = limit.page_size;
    const auto digits = std::min(size.find_first_not_of("0123456789"), size.size());
    const std::string_view unit = size.substr(digits);
    if (digits == 0 || (unit != "KB" && unit != "MB" && unit != "GB") || limit.bytes < 0) {
        throw InputError(
            fmt::format("hugetlb limit of pages of \"{}\": expected a size as in 2MB or 1GB, and "
                        "bytes, 0 or more",
                        size));
    }
}

/// Only files that limit: cgroup.procs or cgroup.kill, say, would act on the group itself.
void check_unified(const std::string& file) {
    constexpr std::array<std::string_view, 3> kOfTheGroup = {
        "cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"};
    const bool of_the_group = file.starts_with("cgroup.");
    const bool allowed = of_the_group
                             ? std::ranges::find(kOfTheGroup, file) != kOfTheGroup.end()
                             : file.find('.') != std::string::npos && !file.starts_with(".");
    if (!is_plain_word(file) || !allowed) {
        throw InputError(fmt::format(
            "unified \"{}\": expected the name of a file that limits, as in memory.high", file));
    }
}

}  // namespace

void check_limits(const Limits& limits) {
    constexpr std::int64_t kMostId = 0xFFFF'FFFF;
    check_memory(limits);
    check_cpu(limits);
    check_io(limits.io);
    if (limits.pids && *limits.pids != -1 && *limits.pids < 1) {
        throw InputError(fmt::format("pids limit {}: expected at least 1", *limits.pids));
    }
    std::ranges::for_each(limits.hugetlb, check_hugetlb);
    for (const RdmaLimit& limit : limits.rdma) {
        if (!is_plain_word(limit.device)) {
            throw InputError(
                fmt::format("rdma limit of \"{}\": expected a device's name", limit.device));
        }
    }
    check_range("network class", limits.net_class_id, 0, kMostId);
    for (const InterfacePriority& interface : limits.net_priorities) {
        if (!is_plain_word(interface.name) || interface.priority < 0) {
            throw InputError(fmt::format(
                "network priority of \"{}\": expected an interface's name and a number, 0 or more",
                interface.name));
        }
    }
    for (const auto& [file, text] : limits.unified) {
        check_unified(file);
    }
}

}  // namespace drydock
