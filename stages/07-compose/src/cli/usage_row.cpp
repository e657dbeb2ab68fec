#include "07-compose/cli/usage_row.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "07-compose/cli/format.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

double number_at(const json& object, const char* pointer) {
    const json::json_pointer where(pointer);
    return object.contains(where) && object.at(where).is_number() ? object.at(where).get<double>()
                                                                  : 0;
}

double cpu_percent(const json& stats) {
    const auto change = [&](const char* of) {
        const std::string path(of);
        return number_at(stats, ("/cpu_stats" + path).c_str()) -
               number_at(stats, ("/precpu_stats" + path).c_str());
    };
    const double used = change("/cpu_usage/total_usage");
    const double all = change("/system_cpu_usage");
    return used > 0 && all > 0 ? used / all * number_at(stats, "/cpu_stats/online_cpus") * 100 : 0;
}

/// Without the cache of files that can go at once, as docker shows it.
double memory_used(const json& stats) {
    const double usage = number_at(stats, "/memory_stats/usage");
    for (const char* cache :
         {"/memory_stats/stats/total_inactive_file", "/memory_stats/stats/inactive_file"}) {
        if (const double bytes = number_at(stats, cache); bytes > 0 && bytes < usage) {
            return usage - bytes;
        }
    }
    return usage;
}

std::string network_io(const json& stats) {
    double in = 0;
    double out = 0;
    const json networks = stats.value("networks", json::object());
    for (const auto& [name, counters] : networks.items()) {
        in += counters.value("rx_bytes", 0.0);
        out += counters.value("tx_bytes", 0.0);
    }
    return fmt::format("{} / {}", human_size(static_cast<std::uint64_t>(in)),
                       human_size(static_cast<std::uint64_t>(out)));
}

std::string block_io(const json& stats) {
    double read = 0;
    double written = 0;
    const json::json_pointer where("/blkio_stats/io_service_bytes_recursive");
    const json counts = stats.contains(where) ? stats.at(where) : json::array();
    for (const json& count : counts.is_array() ? counts : json::array()) {
        const auto operation = count.value("op", "");
        if (operation == "Read" || operation == "read") {
            read += count.value("value", 0.0);
        } else if (operation == "Write" || operation == "write") {
            written += count.value("value", 0.0);
        }
    }
    return fmt::format("{} / {}", human_size(static_cast<std::uint64_t>(read)),
                       human_size(static_cast<std::uint64_t>(written)));
}

}  // namespace

std::string binary_size(double bytes) {
    constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < kUnits.size()) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{:.4g}{}", bytes, kUnits[unit]);
}

json usage_row(const json& stats, bool whole_id) {
    const auto id = stats.value("id", "");
    const auto name = stats.value("name", "");
    const double used = memory_used(stats);
    const double limit = number_at(stats, "/memory_stats/limit");
    return {{"ID", whole_id ? id : short_id(id)},
            {"Container", id},
            {"Name", name.starts_with('/') ? name.substr(1) : name},
            {"CPUPerc", fmt::format("{:.2f}%", cpu_percent(stats))},
            {"MemUsage", fmt::format("{} / {}", binary_size(used), binary_size(limit))},
            {"MemPerc", fmt::format("{:.2f}%", limit > 0 ? used / limit * 100 : 0)},
            {"NetIO", network_io(stats)},
            {"BlockIO", block_io(stats)},
            {"PIDs", fmt::format("{:.0f}", number_at(stats, "/pids_stats/current"))}};
}

std::string moment_parameter(std::string_view text) {
    double seconds = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const double unit = rest.starts_with("ms")  ? 0.001
                            : rest.starts_with('s') ? 1
                            : rest.starts_with('m') ? 60
                            : rest.starts_with('h') ? 3600
                                                    : 0;
        if (error != std::errc{} || unit == 0) {
            return std::string(text);
        }
        seconds += number * unit;
        rest.remove_prefix(rest.starts_with("ms") ? 2 : 1);
    }
    if (text.empty()) {
        return "";
    }
    using std::chrono::duration;
    const double now =
        duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    return fmt::format("{:.9f}", now - seconds);
}

}  // namespace drydock::cli
