#include <cmath>
#include <optional>

#include "01-chroot/error.hpp"

#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

void read_device_type(const Node& node, DeviceRule& rule) {
    const std::string type = node.one_of({"", "a", "b", "c"});
    rule.type = type.empty() ? 'a' : type.front();
}

void read_access(const Node& node, DeviceRule& rule) {
    rule.access = node.text();
    if (rule.access.empty() || rule.access.find_first_not_of("rwm") != std::string::npos) {
        node.fail("letters of \"rwm\"");
    }
}

constexpr Property<DeviceRule> kDeviceRule[] = {
    {"allow", [](const Node& n, DeviceRule& r) { r.allow = n.boolean(); }, kRequired},
    {"type", read_device_type},
    {"major", [](const Node& n, DeviceRule& r) { r.major = n.number(-1); }},
    {"minor", [](const Node& n, DeviceRule& r) { r.minor = n.number(-1); }},
    {"access", read_access},
};

void read_device_rules(const Node& node, Linux& into) {
    node.elements([&](const Node& element) {
        DeviceRule rule;
        element.read(kDeviceRule, rule);
        if (rule.type == 'a' && (rule.access.size() < 3 || rule.major >= 0 || rule.minor >= 0)) {
            element.not_implemented(
                "a rule for both block and character devices that is not for all of them");
        }
        into.device_rules.push_back(std::move(rule));
    });
}

/// 0 asks for nothing.
std::optional<std::int64_t> value_of(const Node& node, std::int64_t least = 0) {
    const std::int64_t value = node.number(least);
    return value != 0 ? std::optional(value) : std::nullopt;
}
/// The same; -1 for no limit.
std::optional<std::int64_t> limit_of(const Node& node) {
    return value_of(node, -1);
}

void read_oom_killer(const Node& node, Limits& limits) {
    if (node.boolean()) {
        limits.disable_oom_killer = true;
    }
}

constexpr Property<Limits> kMemory[] = {
    {"limit", [](const Node& n, Limits& l) { l.memory_bytes = limit_of(n); }},
    {"swap", [](const Node& n, Limits& l) { l.memory_swap_bytes = limit_of(n); }},
    {"reservation", [](const Node& n, Limits& l) { l.memory_reservation_bytes = limit_of(n); }},
    {"kernel", [](const Node& n, Limits& l) { l.kernel_memory_bytes = limit_of(n); }},
    {"kernelTCP", [](const Node& n, Limits& l) { l.kernel_tcp_bytes = limit_of(n); }},
    {"swappiness", [](const Node& n, Limits& l) { l.swappiness = n.number(0, 100); }},
    {"disableOOMKiller", read_oom_killer},
    {"useHierarchy", ignore},  // the only way since Linux 5.11
    {"checkBeforeUpdate", [](const Node& n, Limits& l) { l.check_before_update = n.boolean(); }},
};

struct Cpu {
    Limits* limits = nullptr;
    std::optional<std::int64_t> quota_us{};
};

constexpr Property<Cpu> kCpu[] = {
    {"shares", [](const Node& n, Cpu& c) { c.limits->cpu_shares = value_of(n); }},
    {"quota", [](const Node& n, Cpu& c) { c.quota_us = limit_of(n); }},
    {"period",
     [](const Node& n, Cpu& c) {
         c.limits->cpu_period_us = value_of(n).value_or(c.limits->cpu_period_us);
     }},
    {"burst", [](const Node& n, Cpu& c) { c.limits->cpu_burst_us = value_of(n); }},
    {"realtimeRuntime",
     [](const Node& n, Cpu& c) { c.limits->cpu_realtime_runtime_us = limit_of(n); }},
    {"realtimePeriod",
     [](const Node& n, Cpu& c) { c.limits->cpu_realtime_period_us = value_of(n); }},
    {"cpus", [](const Node& n, Cpu& c) { c.limits->cpuset_cpus = n.text(); }},
    {"mems", [](const Node& n, Cpu& c) { c.limits->cpuset_mems = n.text(); }},
    {"idle", [](const Node& n, Cpu& c) { c.limits->cpu_idle = n.number(0, 1); }},
};

void read_cpu(const Node& node, Limits& limits) {
    Cpu cpu{.limits = &limits};
    node.read(kCpu, cpu);
    if (cpu.quota_us == -1) {
        limits.nano_cpus = -1;
    } else if (cpu.quota_us) {
        limits.nano_cpus = std::llround(static_cast<double>(*cpu.quota_us) * 1e9 /
                                        static_cast<double>(limits.cpu_period_us));
    }
}

constexpr Property<Limits> kPids[] = {
    {"limit", [](const Node& n, Limits& l) { l.pids = limit_of(n); }},
};

constexpr Property<BlockDeviceValue> kBlockRate[] = {
    {"major", [](const Node& n, BlockDeviceValue& v) { v.major = n.number(0); }, kRequired},
    {"minor", [](const Node& n, BlockDeviceValue& v) { v.minor = n.number(0); }, kRequired},
    {"rate", [](const Node& n, BlockDeviceValue& v) { v.value = n.number(0); }, kRequired},
};
constexpr Property<BlockDeviceValue> kBlockWeight[] = {
    {"major", [](const Node& n, BlockDeviceValue& v) { v.major = n.number(0); }, kRequired},
    {"minor", [](const Node& n, BlockDeviceValue& v) { v.minor = n.number(0); }, kRequired},
    {"weight", [](const Node& n, BlockDeviceValue& v) { v.value = n.number(0, 1000); }},
    {"leafWeight", refuse},
};

template <std::size_t N>
void read_devices_of(const Node& node, const Property<BlockDeviceValue> (&table)[N],
                     std::vector<BlockDeviceValue>& into) {
    node.elements([&](const Node& n) { n.read(table, into.emplace_back()); });
}

constexpr Property<IoLimits> kBlockIo[] = {
    {"weight", [](const Node& n, IoLimits& io) { io.weight = value_of(n); }},
    {"leafWeight", [](const Node& n, IoLimits& io) { io.leaf_weight = value_of(n); }},
    {"weightDevice",
     [](const Node& n, IoLimits& io) { read_devices_of(n, kBlockWeight, io.device_weights); }},
    {"throttleReadBpsDevice",
     [](const Node& n, IoLimits& io) { read_devices_of(n, kBlockRate, io.read_bytes); }},
    {"throttleWriteBpsDevice",
     [](const Node& n, IoLimits& io) { read_devices_of(n, kBlockRate, io.write_bytes); }},
    {"throttleReadIOPSDevice",
     [](const Node& n, IoLimits& io) { read_devices_of(n, kBlockRate, io.read_operations); }},
    {"throttleWriteIOPSDevice",
     [](const Node& n, IoLimits& io) { read_devices_of(n, kBlockRate, io.write_operations); }},
};

constexpr Property<HugetlbLimit> kHugetlb[] = {
    {"pageSize", [](const Node& n, HugetlbLimit& l) { l.page_size = n.text(); }, kRequired},
    {"limit",
     [](const Node& n, HugetlbLimit& l) {
         const std::uint64_t bytes = n.number64();  // some write "no limit" as 2^64-1
         l.bytes = bytes > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(bytes);
     },
     kRequired},
};

constexpr Property<InterfacePriority> kPriority[] = {
    {"name", [](const Node& n, InterfacePriority& p) { p.name = n.text(); }, kRequired},
    {"priority", [](const Node& n, InterfacePriority& p) { p.priority = n.number(0, UINT32_MAX); },
     kRequired},
};
constexpr Property<Limits> kNetwork[] = {
    {"classID", [](const Node& n, Limits& l) { l.net_class_id = value_of(n); }},
    {"priorities",
     [](const Node& n, Limits& l) {
         n.elements([&](const Node& p) { p.read(kPriority, l.net_priorities.emplace_back()); });
     }},
};

constexpr Property<RdmaLimit> kRdma[] = {
    {"hcaHandles", [](const Node& n, RdmaLimit& r) { r.hca_handles = n.number(0, UINT32_MAX); }},
    {"hcaObjects", [](const Node& n, RdmaLimit& r) { r.hca_objects = n.number(0, UINT32_MAX); }},
};

void read_rdma(const Node& node, Linux& into) {
    node.each([&](const std::string& device, const Node& n) {
        RdmaLimit limit{.device = device};
        n.read(kRdma, limit);
        into.limits.rdma.push_back(std::move(limit));
    });
}

constexpr Property<Linux> kResources[] = {
    {"devices", read_device_rules},
    {"memory", [](const Node& n, Linux& l) { n.read(kMemory, l.limits); }},
    {"cpu", [](const Node& n, Linux& l) { read_cpu(n, l.limits); }},
    {"pids", [](const Node& n, Linux& l) { n.read(kPids, l.limits); }},
    {"blockIO", [](const Node& n, Linux& l) { n.read(kBlockIo, l.limits.io); }},
    {"hugepageLimits",
     [](const Node& n, Linux& l) {
         n.elements([&](const Node& h) { h.read(kHugetlb, l.limits.hugetlb.emplace_back()); });
     }},
    {"network", [](const Node& n, Linux& l) { n.read(kNetwork, l.limits); }},
    {"rdma", read_rdma},
    {"unified", [](const Node& n, Linux& l) { l.limits.unified = n.text_map(); }},
};

}  // namespace

Limits without_unlimited(Limits limits) {
    for (auto* limit : {&limits.memory_bytes, &limits.memory_reservation_bytes,
                        &limits.kernel_memory_bytes, &limits.kernel_tcp_bytes, &limits.nano_cpus,
                        &limits.cpu_realtime_runtime_us, &limits.pids}) {
        if (*limit == -1) {
            limit->reset();
        }
    }
    return limits;
}

void read_resources(const JsonNode& node, Linux& into) {
    node.read(kResources, into);
    try {
        check_limits(without_unlimited(into.limits));
    } catch (const InputError& e) {
        node.fail(e.what());
    }
}

}  // namespace drydock::oci
