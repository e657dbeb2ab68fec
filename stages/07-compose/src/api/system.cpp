#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "05-images/descriptor.hpp"
#include "07-compose/api/routes.hpp"

#include "api/product.hpp"
#include "engine/swap_limit.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

utsname system_name() {
    utsname name{};
    check(::uname(&name), "uname()");
    return name;
}

/// Docker's API calls the machine as uname does, its versions as Go does.
std::string go_architecture() {
    return host_platform().architecture;
}

bool is_unified_cgroup() {
    return std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
}

void ping(Call& call) {
    const HttpHeaders headers = {{"Content-Type", "text/plain; charset=utf-8"},
                                 {"Cache-Control", "no-cache, no-store, must-revalidate"},
                                 {"Pragma", "no-cache"},
                                 {"Builder-Version", "1"},
                                 {"Swarm", "inactive"}};
    const bool head = call.http.request().method == "HEAD";
    call.http.respond(200, headers, head ? "" : "OK");
}

void version(Call& call) {
    const utsname name = system_name();
    const json details = {
        {"ApiVersion", kApiVersion},     {"Arch", go_architecture()}, {"BuildTime", ""},
        {"Experimental", "false"},       {"GitCommit", ""},           {"GoVersion", ""},
        {"KernelVersion", name.release}, {"MinAPIVersion", "1.12"},   {"Os", "linux"}};
    json body = {
        {"Platform", {{"Name", "Drydock"}}},
        {"Components", {{{"Name", "Engine"}, {"Version", kServerVersion}, {"Details", details}}}},
        {"Version", kServerVersion}};
    body.update(details);
    body["Experimental"] = false;
    respond_json(call, 200, body);
}

json swarm_info() {
    return {{"NodeID", ""},
            {"NodeAddr", ""},
            {"LocalNodeState", "inactive"},
            {"ControlAvailable", false},
            {"Error", ""},
            {"RemoteManagers", nullptr}};
}

json machine_info() {
    const utsname name = system_name();
    struct sysinfo memory{};
    check(::sysinfo(&memory), "sysinfo()");
    return {{"NCPU", std::thread::hardware_concurrency()},
            {"MemTotal", static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit},
            {"KernelVersion", name.release},
            {"Name", name.nodename},
            {"Architecture", name.machine},
            {"OSType", "linux"},
            {"OperatingSystem", "Linux"},
            {"OSVersion", ""},
            {"CgroupDriver", "cgroupfs"},
            {"CgroupVersion", is_unified_cgroup() ? "2" : "1"},
            {"MemoryLimit", true},
            {"SwapLimit", counts_swap()},
            {"CpuCfsPeriod", true},
            {"CpuCfsQuota", true},
            {"CPUShares", true},
            {"CPUSet", false},
            {"PidsLimit", true},
            {"OomKillDisable", false},
            {"IPv4Forwarding", false},
            {"BridgeNfIptables", false},
            {"BridgeNfIp6tables", false}};
}

void info(Call& call) {
    const EngineCounts counts = call.engine.counts();
    json body = machine_info();
    body.update({{"ID", "drydock"},
                 {"Containers", counts.running + counts.paused + counts.stopped},
                 {"ContainersRunning", counts.running},
                 {"ContainersPaused", counts.paused},
                 {"ContainersStopped", counts.stopped},
                 {"Images", call.engine.images().list().size()},
                 {"Driver", "overlay2"},
                 {"DriverStatus", json::array()},
                 {"SystemStatus", nullptr},
                 {"Plugins",
                  {{"Volume", json::array()},
                   {"Network", {"bridge", "host", "null"}},
                   {"Authorization", nullptr},
                   {"Log", {"json-file"}}}},
                 {"LoggingDriver", "json-file"},
                 {"NEventsListener", 0},
                 {"NFd", 0},
                 {"NGoroutines", 0},
                 {"Debug", false},
                 {"ExperimentalBuild", false},
                 {"SystemTime", to_text(now())},
                 {"IndexServerAddress", "https://index.docker.io/v1/"},
                 {"RegistryConfig",
                  {{"AllowNondistributableArtifactsCIDRs", json::array()},
                   {"AllowNondistributableArtifactsHostnames", json::array()},
                   {"InsecureRegistryCIDRs", {"127.0.0.0/8"}},
                   {"IndexConfigs", json::object()},
                   {"Mirrors", json::array()}}},
                 {"DockerRootDir", call.engine.options().data_root.native()},
                 {"HttpProxy", ""},
                 {"HttpsProxy", ""},
                 {"NoProxy", ""},
                 {"Labels", json::array()},
                 {"ServerVersion", kServerVersion},
                 {"Runtimes", {{"drydock", {{"path", "drydock-runtime"}}}}},
                 {"DefaultRuntime", "drydock"},
                 {"Swarm", swarm_info()},
                 {"LiveRestoreEnabled", true},
                 {"Isolation", ""},
                 {"InitBinary", ""},
                 {"ContainerdCommit", {{"ID", ""}, {"Expected", ""}}},
                 {"RuncCommit", {{"ID", ""}, {"Expected", ""}}},
                 {"InitCommit", {{"ID", ""}, {"Expected", ""}}},
                 {"SecurityOptions", {"name=seccomp,profile=builtin", "name=cgroupns"}},
                 {"GenericResources", nullptr},
                 {"Warnings", call.engine.networks().warnings()}});
    respond_json(call, 200, body);
}

std::string_view name_of(JobOutcome outcome) {
    switch (outcome) {
        case JobOutcome::Running:
            return "running";
        case JobOutcome::Done:
            return "done";
        case JobOutcome::Failed:
            break;
    }
    return "failed";
}

void jobs(Call& call) {
    json list = json::array();
    for (const JobRecord& job : call.engine.jobs().list()) {
        list.push_back({{"Id", job.id},
                        {"Kind", job.kind},
                        {"Subject", job.subject},
                        {"Progress", job.progress},
                        {"Outcome", name_of(job.outcome)},
                        {"Error", job.error},
                        {"Began", to_text(job.began)},
                        {"Ended", to_text(job.ended)}});
    }
    respond_json(call, 200, list);
}

void no_plugins(Call& call) {
    respond_json(call, 200, json::array());
}

constexpr std::array kSystemRoutes = std::to_array<Route>({
    {"GET", "/_ping", ping},
    {"HEAD", "/_ping", ping},
    {"GET", "/version", version},
    {"GET", "/info", info},
    {"GET", "/plugins", no_plugins},
    {"GET", "/drydock/jobs", jobs},
});

}  // namespace

std::span<const Route> system_routes() {
    return kSystemRoutes;
}

}  // namespace drydock::api
