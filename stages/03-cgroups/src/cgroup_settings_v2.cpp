// Which file of cgroup v2 a limit goes to. @see the kernel's cgroup-v2.rst; OCI runtime-spec,
// config-linux.md, "Control groups"
#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "cgroup_setting.hpp"

namespace drydock {
namespace {

std::string number_or_max(std::int64_t value) {
    return value == -1 ? "max" : std::to_string(value);
}

class SettingsV2 {
  public:
    explicit SettingsV2(const CgroupFacts& facts) : facts_(facts) {}
    void memory(const Limits& limits);
    void cpu(const Limits& limits);
    void io(const IoLimits& io);
    void others(const Limits& limits);
    void unified(const Limits& limits);
    void refuse_those_of_v1(const Limits& limits);
    CgroupSettings take() { return std::move(result_); }

  private:
    CgroupSetting& put(const char* controller, std::string file, std::string value,
                       const char* what) {
        return result_.put(controller, std::move(file), std::move(value), what);
    }
    void swap(const Limits& limits);

    const CgroupFacts& facts_;
    CgroupSettings result_{};
};

/// v2 limits swap alone, config.json and docker memory and swap together.
void SettingsV2::swap(const Limits& limits) {
    if (!limits.memory_swap_bytes) {
        return;
    }
    const std::int64_t memory = limits.memory_bytes.value_or(facts_.memory_limit_bytes);
    if (*limits.memory_swap_bytes == -1) {
        put("memory", "memory.swap.max", "max", "swap limit").if_there = true;
        return;
    }
    if (memory < 0 || memory > *limits.memory_swap_bytes) {
        throw InputError(
            fmt::format("swap limit: memory and swap together are {}; expected a memory limit not "
                        "above that",
                        size_text(*limits.memory_swap_bytes)));
    }
    if (!facts_.counts_swap && facts_.has_swap) {
        throw InputError("a swap limit cannot be had: this kernel does not count swap");
    }
    if (!facts_.counts_swap) {
        result_.warnings.emplace_back(
            "swap limit: has no effect, this kernel does not count swap; there is none now");
        return;
    }
    put("memory", "memory.swap.max", std::to_string(*limits.memory_swap_bytes - memory),
        "swap limit");
}

void SettingsV2::memory(const Limits& limits) {
    if (limits.memory_bytes) {
        put("memory", "memory.max", number_or_max(*limits.memory_bytes), "memory limit");
    }
    swap(limits);
    if (limits.memory_reservation_bytes) {
        put("memory", "memory.low",
            std::to_string(std::max<std::int64_t>(0, *limits.memory_reservation_bytes)),
            "memory reservation");
    }
    if (limits.oom_group) {
        put("memory", "memory.oom.group", *limits.oom_group ? "1" : "0", "memory oom group");
    }
}

void SettingsV2::cpu(const Limits& limits) {
    if (limits.nano_cpus) {
        const std::int64_t quota = cpu_quota_us(limits);
        put("cpu", "cpu.max", fmt::format("{} {}", number_or_max(quota), limits.cpu_period_us),
            "cpu limit");
    }
    if (limits.cpu_burst_us) {
        put("cpu", "cpu.max.burst", std::to_string(*limits.cpu_burst_us), "cpu burst");
    }
    // An idle group takes no weight.
    if (limits.cpu_idle == 0) {
        put("cpu", "cpu.idle", "0", "cpu idle setting");
    }
    if (limits.cpu_shares) {
        put("cpu", "cpu.weight", std::to_string(cpu_weight(*limits.cpu_shares)), "cpu weight");
    }
    if (limits.cpu_idle == 1) {
        put("cpu", "cpu.idle", "1", "cpu idle setting");
    }
}

void SettingsV2::io(const IoLimits& io) {
    const auto weight_text = [&](std::int64_t weight) {
        return std::to_string(facts_.has_bfq ? weight : io_weight(weight));
    };
    const char* weight_file = facts_.has_bfq ? "io.bfq.weight" : "io.weight";
    if (io.weight) {
        put("io", weight_file, "default " + weight_text(*io.weight), "io weight").nothing =
            "default 100";
    }
    for (const BlockDeviceValue& weight : io.device_weights) {
        const std::string device = fmt::format("{}:{} ", weight.major, weight.minor);
        put("io", weight_file, device + weight_text(weight.value), "io weight of a device")
            .nothing = device + "default";
    }
    if (io.leaf_weight) {
        result_.warnings.emplace_back("io leaf weight: has no effect, the kernel gave it up");
    }
    const auto rates = [&](const std::vector<BlockDeviceValue>& list, const char* key) {
        for (const BlockDeviceValue& rate : list) {
            const std::string device = fmt::format("{}:{} ", rate.major, rate.minor);
            put("io", "io.max",
                fmt::format("{}{}={}", device, key,
                            rate.value == 0 ? "max" : std::to_string(rate.value)),
                "io limit")
                .nothing = device + "rbps=max wbps=max riops=max wiops=max";
        }
    };
    rates(io.read_bytes, "rbps");
    rates(io.write_bytes, "wbps");
    rates(io.read_operations, "riops");
    rates(io.write_operations, "wiops");
}

void SettingsV2::others(const Limits& limits) {
    if (limits.pids) {
        put("pids", "pids.max", number_or_max(*limits.pids), "pids limit");
    }
    if (!limits.cpuset_cpus.empty()) {
        put("cpuset", "cpuset.cpus", limits.cpuset_cpus, "cpuset of CPUs");
    }
    if (!limits.cpuset_mems.empty()) {
        put("cpuset", "cpuset.mems", limits.cpuset_mems, "cpuset of memory nodes");
    }
    for (const HugetlbLimit& limit : limits.hugetlb) {
        const std::string prefix = "hugetlb." + limit.page_size;
        put("hugetlb", prefix + ".max", std::to_string(limit.bytes), "hugetlb limit");
        put("hugetlb", prefix + ".rsvd.max", std::to_string(limit.bytes), "hugetlb limit")
            .if_there = true;
    }
    for (const RdmaLimit& limit : limits.rdma) {
        put("rdma", "rdma.max", rdma_text(limit), "rdma limit").nothing =
            limit.device + " hca_handle=max hca_object=max";
    }
}

void SettingsV2::unified(const Limits& limits) {
    for (const auto& [file, text] : limits.unified) {
        const std::string controller = file.substr(0, file.find('.'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            put(controller.c_str(), file, line, "unified setting");
        }
    }
}

/// What has no counterpart in v2: what would change nothing is a warning, what would be missed an
/// error.
void SettingsV2::refuse_those_of_v1(const Limits& limits) {
    if (limits.cpu_realtime_runtime_us.value_or(0) > 0) {
        throw InputError("a real-time limit cannot be had: cgroup v2 has none");
    }
    if (limits.net_class_id || !limits.net_priorities.empty()) {
        throw InputError(
            "a network class or priority cannot be had: they are controllers of cgroup v1");
    }
    const std::pair<bool, const char*> without_effect[] = {
        {limits.swappiness.has_value(), "swappiness: has no effect, it is one of cgroup v1"},
        {limits.disable_oom_killer.value_or(false),
         "disabled OOM killer: has no effect, it is one of cgroup v1"},
        {limits.kernel_memory_bytes.value_or(0) > 0,
         "kernel memory limit: has no effect, memory.max counts it"},
        {limits.kernel_tcp_bytes.value_or(0) > 0,
         "kernel TCP memory limit: has no effect, memory.max counts it"}};
    for (const auto& [asked, warning] : without_effect) {
        if (asked) {
            result_.warnings.emplace_back(warning);
        }
    }
}

}  // namespace

CgroupSettings settings_v2(const Limits& limits, const CgroupFacts& facts) {
    SettingsV2 settings(facts);
    settings.refuse_those_of_v1(limits);
    settings.memory(limits);
    settings.cpu(limits);
    settings.io(limits.io);
    settings.others(limits);
    settings.unified(limits);
    return settings.take();
}

}  // namespace drydock
