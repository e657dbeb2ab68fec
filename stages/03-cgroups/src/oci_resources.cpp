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

/// 0 and -1 ask for no limit.
std::optional<std::int64_t> limit_of(const Node& node) {
    const std::int64_t value = node.number(-1);
    return value > 0 ? std::optional(value) : std::nullopt;
}

constexpr Property<Limits> kMemory[] = {
    {"limit", [](const Node& n, Limits& l) { l.memory_bytes = limit_of(n); }},
    {"swap",
     [](const Node& n, Limits& l) {
         if (const std::int64_t value = n.number(-1); value != 0) {
             l.memory_swap_bytes = value;
         }
     }},
    {"reservation", refuse},
    {"kernel", refuse},
    {"kernelTCP", refuse},
    {"swappiness", refuse},
    {"disableOOMKiller", refuse},
    {"useHierarchy", ignore},
    {"checkBeforeUpdate", ignore},
};

struct Cpu {
    Limits* limits = nullptr;
    std::optional<std::int64_t> quota_us{};
};

constexpr Property<Cpu> kCpu[] = {
    {"shares", [](const Node& n, Cpu& c) { c.limits->cpu_shares = limit_of(n); }},
    {"quota", [](const Node& n, Cpu& c) { c.quota_us = limit_of(n); }},
    {"period",
     [](const Node& n, Cpu& c) {
         c.limits->cpu_period_us = limit_of(n).value_or(c.limits->cpu_period_us);
     }},
    {"burst", refuse},
    {"realtimeRuntime", refuse},
    {"realtimePeriod", refuse},
    {"cpus", refuse},
    {"mems", refuse},
    {"idle", refuse},
};

void read_cpu(const Node& node, Limits& limits) {
    Cpu cpu{.limits = &limits};
    node.read(kCpu, cpu);
    if (cpu.quota_us) {
        limits.nano_cpus = std::llround(static_cast<double>(*cpu.quota_us) * 1e9 /
                                        static_cast<double>(limits.cpu_period_us));
    }
}

constexpr Property<Limits> kPids[] = {
    {"limit", [](const Node& n, Limits& l) { l.pids = limit_of(n); }},
};

constexpr Property<Linux> kResources[] = {
    {"devices", read_device_rules},
    {"memory", [](const Node& n, Linux& l) { n.read(kMemory, l.limits); }},
    {"cpu", [](const Node& n, Linux& l) { read_cpu(n, l.limits); }},
    {"pids", [](const Node& n, Linux& l) { n.read(kPids, l.limits); }},
    {"blockIO", refuse},
    {"hugepageLimits", refuse},
    {"network", refuse},
    {"rdma", refuse},
    {"unified", refuse},
};

}  // namespace

void read_resources(const JsonNode& node, Linux& into) {
    node.read(kResources, into);
    try {
        check_limits(into.limits);
    } catch (const InputError& e) {
        node.fail(e.what());
    }
}

}  // namespace drydock::oci
