// stats, top, update: what a container uses, and may use.
#include <array>
#include <chrono>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "api/create_body.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::uint64_t at_least_zero(std::int64_t value) {
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

json cpu_json(const std::optional<ContainerUsage>& usage) {
    if (!usage) {
        return {
            {"cpu_usage",
             {{"total_usage", 0}, {"usage_in_kernelmode", 0}, {"usage_in_usermode", 0}}},
            {"throttling_data", {{"periods", 0}, {"throttled_periods", 0}, {"throttled_time", 0}}}};
    }
    const CgroupStatistics& group = usage->cgroup;
    json cpu = {{"cpu_usage",
                 {{"total_usage", at_least_zero(group.cpu_ns)},
                  {"usage_in_kernelmode", at_least_zero(group.cpu_kernel_ns)},
                  {"usage_in_usermode", at_least_zero(group.cpu_user_ns)}}},
                {"system_cpu_usage", usage->system_cpu_ns},
                {"online_cpus", usage->online_cpus},
                {"throttling_data",
                 {{"periods", at_least_zero(group.periods)},
                  {"throttled_periods", at_least_zero(group.throttled_periods)},
                  {"throttled_time", at_least_zero(group.throttled_ns)}}}};
    if (!group.per_cpu_ns.empty()) {
        cpu["cpu_usage"]["percpu_usage"] = group.per_cpu_ns;
    }
    return cpu;
}

/// Bytes; what a container without a limit may use.
std::uint64_t memory_of_machine() {
    std::ifstream file("/proc/meminfo");
    std::string word;
    std::uint64_t kilobytes = 0;
    file >> word >> kilobytes;
    return kilobytes * 1024;
}

json memory_json(const ContainerUsage& usage) {
    const CgroupStatistics& group = usage.cgroup;
    const std::uint64_t most = memory_of_machine();
    const std::uint64_t limit = at_least_zero(group.memory_limit_bytes);
    json memory = {{"usage", at_least_zero(group.memory_bytes)},
                   {"limit", limit == 0 || limit > most ? most : limit},
                   {"stats", group.memory_stat}};
    if (group.memory_peak_bytes >= 0) {
        memory["max_usage"] = group.memory_peak_bytes;
    }
    if (group.memory_failures >= 0) {
        memory["failcnt"] = group.memory_failures;
    }
    return memory;
}

json io_json(const std::vector<IoCount>& counts) {
    json list = json::array();
    for (const IoCount& count : counts) {
        list.push_back({{"major", count.major},
                        {"minor", count.minor},
                        {"op", count.operation},
                        {"value", count.value}});
    }
    return list;
}

json interfaces_json(const std::vector<InterfaceCounters>& interfaces) {
    json object = json::object();
    for (const InterfaceCounters& one : interfaces) {
        object[one.name] = {{"rx_bytes", one.rx_bytes},   {"rx_packets", one.rx_packets},
                            {"rx_errors", one.rx_errors}, {"rx_dropped", one.rx_dropped},
                            {"tx_bytes", one.tx_bytes},   {"tx_packets", one.tx_packets},
                            {"tx_errors", one.tx_errors}, {"tx_dropped", one.tx_dropped}};
    }
    return object;
}

json stats_json(const Container& container, const std::optional<ContainerUsage>& usage,
                const std::optional<ContainerUsage>& before) {
    json stats = {{"id", container.id},
                  {"name", "/" + container.name},
                  {"read", to_text(usage ? std::optional(usage->at) : std::nullopt)},
                  {"preread", to_text(before ? std::optional(before->at) : std::nullopt)},
                  {"num_procs", 0},
                  {"storage_stats", json::object()},
                  {"cpu_stats", cpu_json(usage)},
                  {"precpu_stats", cpu_json(before)},
                  {"memory_stats", json::object()},
                  {"pids_stats", json::object()},
                  {"blkio_stats",
                   {{"io_service_bytes_recursive", nullptr},
                    {"io_serviced_recursive", nullptr},
                    {"io_queue_recursive", nullptr},
                    {"io_service_time_recursive", nullptr},
                    {"io_wait_time_recursive", nullptr},
                    {"io_merged_recursive", nullptr},
                    {"io_time_recursive", nullptr},
                    {"sectors_recursive", nullptr}}}};
    if (!usage) {
        return stats;
    }
    stats["memory_stats"] = memory_json(*usage);
    stats["pids_stats"]["current"] = at_least_zero(usage->cgroup.pids);
    if (usage->cgroup.pids_limit >= 0) {
        stats["pids_stats"]["limit"] = usage->cgroup.pids_limit;
    }
    stats["blkio_stats"]["io_service_bytes_recursive"] = io_json(usage->cgroup.io_bytes);
    stats["blkio_stats"]["io_serviced_recursive"] = io_json(usage->cgroup.io_operations);
    if (!usage->interfaces.empty()) {
        stats["networks"] = interfaces_json(usage->interfaces);
    }
    return stats;
}

void stats_once(Call& call, const Container& container) {
    std::optional<ContainerUsage> before;
    if (!call.flag("one-shot")) {
        before = call.engine.usage(container.id);
        // Of one that does not run there is nothing to come.
        if (before && call.http.wait_for(-1, 1s) == Wake::ClientGone) {
            throw ClientGone("nobody waits for the second sample");
        }
    }
    respond_json(call, 200, stats_json(container, call.engine.usage(container.id), before));
}

void stats(Call& call) {
    const Container container = call.engine.find(call.name());
    if (!call.flag("stream", true)) {
        stats_once(call, container);
        return;
    }
    HttpStream stream = call.http.begin_stream(200, {{"Content-Type", "application/json"}});
    std::optional<ContainerUsage> before;
    try {
        do {
            const auto usage = call.engine.usage(container.id);
            stream.write(stats_json(container, usage, before).dump() + "\n");
            before = usage;
        } while (call.http.wait_for(-1, 1s) != Wake::ClientGone);
    } catch (const EngineError&) {  // NOLINT(bugprone-empty-catch): it was removed
    }
    stream.finish();
}

void top(Call& call) {
    const ProcessList list = call.engine.top(call.name(), call.parameter("ps_args"));
    respond_json(call, 200, {{"Titles", list.titles}, {"Processes", list.rows}});
}

void update(Call& call) {
    const json body = json_body(call);
    call.engine.update(call.name(), read_limits(body), read_restart_policy(body));
    respond_json(call, 200, {{"Warnings", nullptr}});
}

constexpr std::array kUsageRoutes = std::to_array<Route>({
    {"GET", "/containers/{}/stats", stats},
    {"GET", "/containers/{}/top", top},
    {"POST", "/containers/{}/update", update},
});

}  // namespace

std::span<const Route> usage_routes() {
    return kUsageRoutes;
}

}  // namespace drydock::api
