#include "cgroup_v1_statistics.hpp"

#include <algorithm>
#include <sstream>

#include "cgroup_v2_statistics.hpp"

namespace drydock {
namespace {

// "No limit" is the largest number of whole pages.
constexpr std::int64_t kAsGoodAsNone = std::int64_t{1} << 62U;
constexpr std::int64_t kTickNs = 10'000'000;  // USER_HZ is 100 on every Linux

std::int64_t limit_or_none(std::int64_t limit) {
    return limit >= kAsGoodAsNone ? -1 : limit;
}

UseStatistics use_of(const CgroupDirectory& memory, const std::string& prefix) {
    return {.usage = read_number(memory, prefix + ".usage_in_bytes"),
            .peak = read_number(memory, prefix + ".max_usage_in_bytes"),
            .limit = limit_or_none(read_number(memory, prefix + ".limit_in_bytes")),
            .failures = read_number(memory, prefix + ".failcnt")};
}

void add_memory_v1(const CgroupDirectory& memory, CgroupStatistics& statistics) {
    const UseStatistics use = use_of(memory, "memory");
    statistics.memory_bytes = use.usage;
    statistics.memory_peak_bytes = use.peak;
    statistics.memory_limit_bytes = use.limit;
    statistics.memory_failures = use.failures;
    statistics.swap = use_of(memory, "memory.memsw");
    statistics.kernel = use_of(memory, "memory.kmem");
    statistics.kernel_tcp = use_of(memory, "memory.kmem.tcp");
    statistics.oom_kills =
        std::max<std::int64_t>(0, read_keyed(memory, "memory.oom_control", "oom_kill"));
    statistics.memory_stat = numbers_by_name(read_text(memory, "memory.stat"));
    // "total_": with the groups below it, as every other figure here.
    statistics.anon_bytes = number_named(statistics.memory_stat, "total_rss");
    statistics.file_bytes = number_named(statistics.memory_stat, "total_cache");
    statistics.inactive_file_bytes = number_named(statistics.memory_stat, "total_inactive_file");
}

void add_cpu_use_v1(const CgroupDirectory& cpuacct, CgroupStatistics& statistics) {
    statistics.cpu_ns = read_number(cpuacct, "cpuacct.usage");
    const std::string ticks = read_text(cpuacct, "cpuacct.stat");
    const std::int64_t user = keyed_number(ticks, "user");
    const std::int64_t system = keyed_number(ticks, "system");
    statistics.cpu_user_ns = user < 0 ? -1 : user * kTickNs;
    statistics.cpu_kernel_ns = system < 0 ? -1 : system * kTickNs;
    std::istringstream numbers(read_text(cpuacct, "cpuacct.usage_percpu"));
    for (std::int64_t number = 0; numbers >> number;) {
        statistics.per_cpu_ns.push_back(number);
    }
}

/// Lines of "8:0 Read 4096", and a last one of "Total 4096" that is for all devices.
std::vector<IoCount> io_counts_v1(const CgroupDirectory& blkio, const char* file) {
    std::vector<IoCount> counts;
    std::istringstream lines(read_text(blkio, file));
    for (std::string line; std::getline(lines, line);) {
        IoCount count;
        char colon = 0;
        std::istringstream words(line);
        if (words >> count.major >> colon >> count.minor >> count.operation >> count.value) {
            counts.push_back(count);
        }
    }
    return counts;
}

}  // namespace

CgroupStatistics statistics_v1(
    const std::function<const CgroupDirectory*(std::string_view)>& directory_of,
    const CgroupDirectory* unified) {
    CgroupStatistics statistics;
    if (const CgroupDirectory* memory = directory_of("memory")) {
        add_memory_v1(*memory, statistics);
    }
    if (const CgroupDirectory* cpuacct = directory_of("cpuacct")) {
        add_cpu_use_v1(*cpuacct, statistics);
    }
    if (const CgroupDirectory* cpu = directory_of("cpu")) {
        const std::string stat = read_text(*cpu, "cpu.stat");
        statistics.periods = keyed_number(stat, "nr_periods");
        statistics.throttled_periods = keyed_number(stat, "nr_throttled");
        statistics.throttled_ns = keyed_number(stat, "throttled_time");
    }
    if (const CgroupDirectory* pids = directory_of("pids")) {
        statistics.pids = read_number(*pids, "pids.current");
        statistics.pids_limit = read_number(*pids, "pids.max");
    }
    if (const CgroupDirectory* blkio = directory_of("blkio")) {
        statistics.io_bytes = io_counts_v1(*blkio, "blkio.throttle.io_service_bytes_recursive");
        statistics.io_operations = io_counts_v1(*blkio, "blkio.throttle.io_serviced_recursive");
    }
    if (const CgroupDirectory* hugetlb = directory_of("hugetlb")) {
        for (const std::string& size : huge_page_sizes()) {
            statistics.hugetlb[size] = use_of(*hugetlb, "hugetlb." + size);
        }
    }
    if (unified != nullptr) {
        add_hugetlb_v2(*unified, statistics);
        add_pressure(*unified, statistics);
    }
    return statistics;
}

}  // namespace drydock
