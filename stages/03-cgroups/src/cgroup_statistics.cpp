// The names are those of runc's types/events.go, which containerd's and docker's readers know.
#include "03-cgroups/cgroup_statistics.hpp"

#include <nlohmann/json.hpp>

namespace drydock {
namespace {

using StatisticsJson = nlohmann::ordered_json;

/// Leaves out what the kernel does not say.
void put_known(StatisticsJson& object, const char* name, std::int64_t value) {
    if (value >= 0) {
        object[name] = value;
    }
}

StatisticsJson use_json(const UseStatistics& use) {
    StatisticsJson json = StatisticsJson::object();
    // Readers expect a limit always; theirs for "none" is the largest number there is.
    json["limit"] = use.limit >= 0 ? static_cast<std::uint64_t>(use.limit) : UINT64_MAX;
    put_known(json, "usage", use.usage);
    put_known(json, "max", use.peak);
    json["failcnt"] = use.failures > 0 ? use.failures : 0;
    return json;
}

StatisticsJson pressure_json(const Pressure& pressure) {
    const auto line = [](const PressureLine& l) {
        return StatisticsJson{
            {"avg10", l.avg10}, {"avg60", l.avg60}, {"avg300", l.avg300}, {"total", l.total_us}};
    };
    return {{"some", line(pressure.some)}, {"full", line(pressure.full)}};
}

void put_pressure(StatisticsJson& object, const std::optional<Pressure>& pressure) {
    if (pressure) {
        object["psi"] = pressure_json(*pressure);
    }
}

StatisticsJson cpu_json(const CgroupStatistics& s) {
    StatisticsJson usage = StatisticsJson::object();
    put_known(usage, "total", s.cpu_ns);
    if (!s.per_cpu_ns.empty()) {
        usage["percpu"] = s.per_cpu_ns;
    }
    usage["kernel"] = std::max<std::int64_t>(0, s.cpu_kernel_ns);
    usage["user"] = std::max<std::int64_t>(0, s.cpu_user_ns);
    StatisticsJson throttling = StatisticsJson::object();
    put_known(throttling, "periods", s.periods);
    put_known(throttling, "throttledPeriods", s.throttled_periods);
    put_known(throttling, "throttledTime", s.throttled_ns);
    StatisticsJson cpu = {{"usage", usage}, {"throttling", throttling}};
    put_pressure(cpu, s.cpu_pressure);
    return cpu;
}

StatisticsJson memory_json(const CgroupStatistics& s) {
    StatisticsJson memory = StatisticsJson::object();
    put_known(memory, "cache", s.file_bytes);
    memory["usage"] = use_json({.usage = s.memory_bytes,
                                .peak = s.memory_peak_bytes,
                                .limit = s.memory_limit_bytes,
                                .failures = s.memory_failures});
    memory["swap"] = use_json(s.swap);
    memory["kernel"] = use_json(s.kernel);
    memory["kernelTCP"] = use_json(s.kernel_tcp);
    memory["raw"] = s.memory_stat;
    put_pressure(memory, s.memory_pressure);
    return memory;
}

StatisticsJson io_json(const CgroupStatistics& s) {
    const auto list = [](const std::vector<IoCount>& counts) {
        StatisticsJson entries = StatisticsJson::array();
        for (const IoCount& count : counts) {
            entries.push_back({{"major", count.major},
                               {"minor", count.minor},
                               {"op", count.operation},
                               {"value", count.value}});
        }
        return entries;
    };
    StatisticsJson io = {{"ioServiceBytesRecursive", list(s.io_bytes)},
                         {"ioServicedRecursive", list(s.io_operations)}};
    put_pressure(io, s.io_pressure);
    return io;
}

}  // namespace

std::string to_json(const CgroupStatistics& statistics) {
    StatisticsJson pids = StatisticsJson::object();
    put_known(pids, "current", statistics.pids);
    put_known(pids, "limit", statistics.pids_limit);
    StatisticsJson hugetlb = StatisticsJson::object();
    for (const auto& [size, use] : statistics.hugetlb) {
        put_known(hugetlb[size], "usage", use.usage);
        put_known(hugetlb[size], "max", use.peak);
        hugetlb[size]["failcnt"] = use.failures > 0 ? use.failures : 0;
    }
    const StatisticsJson data = {
        {"cpu", cpu_json(statistics)},           {"cpuset", StatisticsJson::object()},
        {"memory", memory_json(statistics)},     {"pids", pids},
        {"blkio", io_json(statistics)},          {"hugetlb", hugetlb},
        {"intel_rdt", StatisticsJson::object()}, {"network_interfaces", nullptr}};
    return data.dump(-1, ' ', false, StatisticsJson::error_handler_t::replace);
}

}  // namespace drydock
