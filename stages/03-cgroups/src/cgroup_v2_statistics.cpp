#include "cgroup_v2_statistics.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cgroup_directory.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::int64_t kNsPerUs = 1000;

std::int64_t us_to_ns(std::int64_t us) {
    return us < 0 ? -1 : us * kNsPerUs;
}

void add_memory_v2(const CgroupDirectory& directory, CgroupStatistics& statistics) {
    statistics.memory_bytes = read_number(directory, "memory.current");
    statistics.memory_peak_bytes = read_number(directory, "memory.peak");
    statistics.memory_limit_bytes = read_number(directory, "memory.max");
    const std::string events = read_text(directory, "memory.events");
    statistics.memory_failures = keyed_number(events, "max");
    statistics.oom_kills = std::max<std::int64_t>(0, keyed_number(events, "oom_kill"));
    statistics.memory_stat = numbers_by_name(read_text(directory, "memory.stat"));
    const auto stat = [&](const char* name) { return number_named(statistics.memory_stat, name); };
    statistics.anon_bytes = stat("anon");
    statistics.file_bytes = stat("file");
    statistics.inactive_file_bytes = stat("inactive_file");
    statistics.kernel.usage = stat("kernel");
    statistics.kernel_tcp.usage = stat("sock");
    if (const std::int64_t swap = read_number(directory, "memory.swap.current"); swap >= 0) {
        const std::int64_t limit = read_number(directory, "memory.swap.max");
        statistics.swap.usage = statistics.memory_bytes + swap;
        statistics.swap.limit = limit < 0 || statistics.memory_limit_bytes < 0
                                    ? -1
                                    : statistics.memory_limit_bytes + limit;
        statistics.swap.failures = read_keyed(directory, "memory.swap.events", "max");
    }
}

void add_cpu_v2(const CgroupDirectory& directory, CgroupStatistics& statistics) {
    const std::string stat = read_text(directory, "cpu.stat");
    statistics.cpu_ns = us_to_ns(keyed_number(stat, "usage_usec"));
    statistics.cpu_user_ns = us_to_ns(keyed_number(stat, "user_usec"));
    statistics.cpu_kernel_ns = us_to_ns(keyed_number(stat, "system_usec"));
    statistics.periods = keyed_number(stat, "nr_periods");
    statistics.throttled_periods = keyed_number(stat, "nr_throttled");
    statistics.throttled_ns = us_to_ns(keyed_number(stat, "throttled_usec"));
}

/// "rbytes=4096" of a line of io.stat; nothing for another key.
struct IoKey {
    const char* key;
    const char* operation;
    bool is_bytes;
};
constexpr IoKey kIoKeys[] = {{"rbytes=", "Read", true},    {"wbytes=", "Write", true},
                             {"dbytes=", "Discard", true}, {"rios=", "Read", false},
                             {"wios=", "Write", false},    {"dios=", "Discard", false}};

/// Lines of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
void add_io_v2(const CgroupDirectory& directory, CgroupStatistics& statistics) {
    std::istringstream lines(read_text(directory, "io.stat"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        IoCount device;
        char colon = 0;
        words >> device.major >> colon >> device.minor;
        for (std::string word; words >> word;) {
            for (const IoKey& key : kIoKeys) {
                if (word.starts_with(key.key)) {
                    IoCount count = device;
                    count.operation = key.operation;
                    count.value = cgroup_number(word.substr(word.find('=') + 1));
                    (key.is_bytes ? statistics.io_bytes : statistics.io_operations)
                        .push_back(count);
                }
            }
        }
    }
}

/// "some avg10=0.00 avg60=0.12 avg300=0.05 total=12345".
PressureLine pressure_line(const std::string& text, const std::string& name) {
    PressureLine result;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word) || word != name) {
            continue;
        }
        while (words >> word) {
            const auto equals = word.find('=');
            const std::string key = word.substr(0, equals);
            std::istringstream value(word.substr(std::min(equals, word.size() - 1) + 1));
            value.imbue(std::locale::classic());
            if (key == "total") {
                value >> result.total_us;
            } else if (double* average = key == "avg10"    ? &result.avg10
                                         : key == "avg60"  ? &result.avg60
                                         : key == "avg300" ? &result.avg300
                                                           : nullptr) {
                value >> *average;
            }
        }
    }
    return result;
}

std::optional<Pressure> pressure_of(const CgroupDirectory& directory, const char* file) {
    const std::string text = read_text(directory, file);
    if (text.empty()) {  // not built in, or switched off for this group
        return std::nullopt;
    }
    return Pressure{.some = pressure_line(text, "some"), .full = pressure_line(text, "full")};
}

}  // namespace

std::map<std::string, std::int64_t> numbers_by_name(const std::string& text) {
    std::map<std::string, std::int64_t> numbers;
    std::istringstream lines(text);
    std::string name;
    for (std::string value; lines >> name >> value;) {
        numbers[name] = cgroup_number(value);
    }
    return numbers;
}

std::int64_t number_named(const std::map<std::string, std::int64_t>& numbers,
                          const std::string& name) {
    const auto found = numbers.find(name);
    return found == numbers.end() ? -1 : found->second;
}

std::vector<std::string> huge_page_sizes() {
    std::vector<std::string> sizes;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
        // "hugepages-2048kB"
        constexpr std::string_view kPrefix = "hugepages-";
        const std::string name = entry.path().filename().native();
        if (!name.starts_with(kPrefix)) {
            continue;
        }
        std::int64_t size = 0;
        std::istringstream(name.substr(kPrefix.size())) >> size;
        std::size_t unit = 0;
        constexpr std::int64_t kStep = 1024;
        constexpr std::string_view kUnits[] = {"KB", "MB", "GB"};
        for (; size >= kStep && unit + 1 < std::size(kUnits); ++unit) {
            size /= kStep;
        }
        sizes.push_back(std::to_string(size) + std::string(kUnits[unit]));
    }
    std::ranges::sort(sizes);
    return sizes;
}

void add_hugetlb_v2(const CgroupDirectory& directory, CgroupStatistics& statistics) {
    for (const std::string& size : huge_page_sizes()) {
        const std::string prefix = "hugetlb." + size;
        if (const std::int64_t usage = read_number(directory, prefix + ".current"); usage >= 0) {
            statistics.hugetlb[size] = {
                .usage = usage,
                .limit = read_number(directory, prefix + ".max"),
                .failures = read_keyed(directory, prefix + ".events", "max")};
        }
    }
}

void add_pressure(const CgroupDirectory& directory, CgroupStatistics& statistics) {
    statistics.cpu_pressure = pressure_of(directory, "cpu.pressure");
    statistics.memory_pressure = pressure_of(directory, "memory.pressure");
    statistics.io_pressure = pressure_of(directory, "io.pressure");
}

CgroupStatistics statistics_v2(const CgroupDirectory& directory) {
    CgroupStatistics statistics;
    add_memory_v2(directory, statistics);
    add_cpu_v2(directory, statistics);
    add_io_v2(directory, statistics);
    statistics.pids = read_number(directory, "pids.current");
    statistics.pids_limit = read_number(directory, "pids.max");
    add_hugetlb_v2(directory, statistics);
    add_pressure(directory, statistics);
    return statistics;
}

}  // namespace drydock
