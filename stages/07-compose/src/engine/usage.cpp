#include "07-compose/engine/usage.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "07-compose/engine/engine.hpp"

#include "engine/entry.hpp"

namespace drydock {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// At most `most` words: the last one is all that is left.
std::vector<std::string> words_in(std::string_view line, std::size_t most = SIZE_MAX) {
    std::vector<std::string> words;
    while (true) {
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        if (line.empty()) {
            return words;
        }
        const auto end = words.size() + 1 == most
                             ? line.size()
                             : std::min(line.find_first_of(" \t"), line.size());
        words.emplace_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

std::uint64_t number_in(const std::string& text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::vector<InterfaceCounters> parse_interface_counters(std::string_view text) {
    constexpr std::size_t kFields = 16;
    std::vector<InterfaceCounters> all;
    for (const std::string_view line : lines_of(text)) {
        const auto colon = line.find(':');
        const auto words = colon == std::string_view::npos ? std::vector<std::string>{}
                                                           : words_in(line.substr(colon + 1));
        const auto name = words_in(line.substr(0, colon));
        if (words.size() < kFields || name.empty() || name.front() == "lo") {
            continue;
        }
        all.push_back({.name = name.front(),
                       .rx_bytes = number_in(words[0]),
                       .rx_packets = number_in(words[1]),
                       .rx_errors = number_in(words[2]),
                       .rx_dropped = number_in(words[3]),
                       .tx_bytes = number_in(words[8]),
                       .tx_packets = number_in(words[9]),
                       .tx_errors = number_in(words[10]),
                       .tx_dropped = number_in(words[11])});
    }
    return all;
}

std::uint64_t parse_system_cpu_ns(std::string_view text) {
    // user nice system idle iowait irq softirq steal: guest time is in user already (proc(5)).
    constexpr std::size_t kLast = 8;
    const auto words = words_in(text.substr(0, text.find('\n')));
    std::uint64_t ticks = 0;
    for (std::size_t i = 1; i <= kLast && i < words.size(); ++i) {
        ticks += number_in(words[i]);
    }
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return ticks * (1'000'000'000 / per_second);
}

ProcessList parse_process_list(std::string_view text, const std::vector<int>& pids) {
    const auto lines = lines_of(text);
    ProcessList list;
    list.titles = lines.empty() ? std::vector<std::string>{} : words_in(lines.front());
    const auto column = std::ranges::find(list.titles, "PID");
    if (column == list.titles.end()) {
        throw InputError("Couldn't find PID field in ps output");
    }
    const auto index = static_cast<std::size_t>(column - list.titles.begin());
    for (std::size_t i = 1; i < lines.size(); ++i) {
        auto row = words_in(lines[i], list.titles.size());
        if (row.size() > index &&
            std::ranges::find(pids, static_cast<int>(number_in(row[index]))) != pids.end()) {
            list.rows.push_back(std::move(row));
        }
    }
    return list;
}

std::optional<ContainerUsage> Engine::usage(std::string_view name) const {
    const Container container = find(name);
    if (container.state.status != Status::Running) {
        return std::nullopt;
    }
    try {
        ContainerUsage usage{.at = now(),
                             .cgroup = usage_of_container(runtime_root(), container.id)};
        usage.system_cpu_ns = parse_system_cpu_ns(read_file("/proc/stat"));
        usage.online_cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
        if (container.config.network_mode != "host") {
            usage.interfaces = parse_interface_counters(
                read_file(fmt::format("/proc/{}/net/dev", container.state.pid)));
        }
        return usage;
    } catch (const std::exception&) {
        if (find(name).state.status == Status::Running) {
            throw;
        }
        return std::nullopt;  // it has ended meanwhile
    }
}

}  // namespace drydock
