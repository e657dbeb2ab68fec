// Which file of which controller of cgroup v1 a limit goes to.
// @see the kernel's cgroup-v1/*.rst; OCI runtime-spec, config-linux.md, "Control groups"
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "cgroup_setting.hpp"

namespace drydock {
namespace {

class SettingsV1 {
  public:
    explicit SettingsV1(const CgroupFacts& facts) : facts_(facts) {}
    void memory(const Limits& limits);
    void cpu(const Limits& limits);
    void io(const IoLimits& io);
    void others(const Limits& limits);
    CgroupSettings take() { return std::move(result_); }

  private:
    void put(const char* controller, std::string file, std::string value, const char* what) {
        result_.put(controller, std::move(file), std::move(value), what);
    }
    void put(const char* controller, std::string file, std::optional<std::int64_t> value,
             const char* what) {
        if (value) {
            put(controller, std::move(file), std::to_string(*value), what);
        }
    }
    void swap(const Limits& limits);
    void rates(const std::vector<BlockDeviceValue>& rates, const char* file);

    const CgroupFacts& facts_;
    CgroupSettings result_{};
};

/// The limit of memory and swap together, which the kernel never lets be below that of memory.
void SettingsV1::swap(const Limits& limits) {
    if (!limits.memory_swap_bytes) {
        return;
    }
    if (facts_.counts_swap) {
        put("memory", "memory.memsw.limit_in_bytes", limits.memory_swap_bytes, "swap limit");
    } else if (*limits.memory_swap_bytes != -1 && facts_.has_swap) {
        throw InputError(
            "a swap limit cannot be had: this kernel does not count swap (boot it with "
            "swapaccount=1)");
    } else if (*limits.memory_swap_bytes != -1) {
        result_.warnings.emplace_back(
            "swap limit: has no effect, this kernel does not count swap; there is none now");
    }
}

void SettingsV1::memory(const Limits& limits) {
    Limits both = limits;
    if (both.memory_bytes == -1 && !both.memory_swap_bytes && facts_.counts_swap) {
        both.memory_swap_bytes = -1;  // else memory would have no limit and the sum of both one
    }
    const auto memory = [&] {
        put("memory", "memory.limit_in_bytes", both.memory_bytes, "memory limit");
    };
    const auto order = [](std::int64_t bytes) { return static_cast<std::uint64_t>(bytes); };
    const bool grows =
        both.memory_bytes && order(*both.memory_bytes) > order(facts_.memory_limit_bytes);
    if (grows) {
        swap(both);
        memory();
    } else {
        memory();
        swap(both);
    }
    put("memory", "memory.soft_limit_in_bytes", limits.memory_reservation_bytes,
        "memory reservation");
    put("memory", "memory.swappiness", limits.swappiness, "swappiness");
    if (limits.disable_oom_killer) {
        put("memory", "memory.oom_control", *limits.disable_oom_killer ? "1" : "0",
            "disabled OOM killer");
    }
    if (limits.kernel_tcp_bytes) {
        put("memory", "memory.kmem.tcp.limit_in_bytes", limits.kernel_tcp_bytes,
            "kernel TCP memory limit");
    }
    if (limits.kernel_memory_bytes.value_or(0) > 0) {
        result_.warnings.emplace_back(
            "kernel memory limit: has no effect, the kernel gave it up; memory.limit counts it");
    }
    if (limits.oom_group.value_or(false)) {
        result_.warnings.emplace_back("oom group: has no effect, it is one of cgroup v2");
    }
}

void SettingsV1::cpu(const Limits& limits) {
    put("cpu", "cpu.rt_period_us", limits.cpu_realtime_period_us, "real-time period");
    put("cpu", "cpu.rt_runtime_us", limits.cpu_realtime_runtime_us, "real-time limit");
    if (limits.nano_cpus) {
        put("cpu", "cpu.cfs_period_us", limits.cpu_period_us, "cpu limit");
        put("cpu", "cpu.cfs_quota_us", cpu_quota_us(limits), "cpu limit");
    }
    put("cpu", "cpu.cfs_burst_us", limits.cpu_burst_us, "cpu burst");
    // An idle group takes no shares.
    if (limits.cpu_idle == 0) {
        put("cpu", "cpu.idle", limits.cpu_idle, "cpu idle setting");
    }
    put("cpu", "cpu.shares", limits.cpu_shares, "cpu weight");
    if (limits.cpu_idle == 1) {
        put("cpu", "cpu.idle", limits.cpu_idle, "cpu idle setting");
    }
}

void SettingsV1::rates(const std::vector<BlockDeviceValue>& rates, const char* file) {
    for (const BlockDeviceValue& rate : rates) {
        const std::string device = fmt::format("{}:{} ", rate.major, rate.minor);
        put("blkio", file, device + std::to_string(rate.value), "blkio limit");
        result_.list.back().nothing = device + "0";
    }
}

void SettingsV1::io(const IoLimits& io) {
    const std::string prefix = facts_.has_bfq ? "blkio.bfq." : "blkio.";
    put("blkio", prefix + "weight", io.weight, "blkio weight");
    for (const BlockDeviceValue& weight : io.device_weights) {
        const std::string device = fmt::format("{}:{} ", weight.major, weight.minor);
        put("blkio", prefix + "weight_device", device + std::to_string(weight.value),
            "blkio weight of a device");
        result_.list.back().nothing = device + "0";
    }
    if (io.leaf_weight) {
        result_.warnings.emplace_back("blkio leaf weight: has no effect, the kernel gave it up");
    }
    rates(io.read_bytes, "blkio.throttle.read_bps_device");
    rates(io.write_bytes, "blkio.throttle.write_bps_device");
    rates(io.read_operations, "blkio.throttle.read_iops_device");
    rates(io.write_operations, "blkio.throttle.write_iops_device");
}

void SettingsV1::others(const Limits& limits) {
    if (limits.pids) {
        put("pids", "pids.max", *limits.pids == -1 ? "max" : std::to_string(*limits.pids),
            "pids limit");
    }
    if (!limits.cpuset_cpus.empty()) {
        put("cpuset", "cpuset.cpus", limits.cpuset_cpus, "cpuset of CPUs");
    }
    if (!limits.cpuset_mems.empty()) {
        put("cpuset", "cpuset.mems", limits.cpuset_mems, "cpuset of memory nodes");
    }
    for (const HugetlbLimit& limit : limits.hugetlb) {
        const std::string prefix = "hugetlb." + limit.page_size;
        put("hugetlb", prefix + ".limit_in_bytes", limit.bytes, "hugetlb limit");
        put("hugetlb", prefix + ".rsvd.limit_in_bytes", limit.bytes, "hugetlb limit");
        result_.list.back().if_there = true;
    }
    for (const RdmaLimit& limit : limits.rdma) {
        put("rdma", "rdma.max", rdma_text(limit), "rdma limit");
        result_.list.back().nothing = limit.device + " hca_handle=max hca_object=max";
    }
    put("net_cls", "net_cls.classid", limits.net_class_id, "network class");
    for (const InterfacePriority& interface : limits.net_priorities) {
        put("net_prio", "net_prio.ifpriomap",
            fmt::format("{} {}", interface.name, interface.priority), "network priority");
        result_.list.back().nothing = interface.name + " 0";
    }
}

}  // namespace

std::string rdma_text(const RdmaLimit& limit) {
    const auto number = [](std::optional<std::int64_t> n) {
        return n ? std::to_string(*n) : std::string("max");
    };
    return fmt::format("{} hca_handle={} hca_object={}", limit.device, number(limit.hca_handles),
                       number(limit.hca_objects));
}

CgroupSettings settings_v1(const Limits& limits, const CgroupFacts& facts) {
    SettingsV1 settings(facts);
    settings.memory(limits);
    settings.cpu(limits);
    settings.io(limits.io);
    settings.others(limits);
    return settings.take();
}

}  // namespace drydock
