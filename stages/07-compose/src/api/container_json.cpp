#include "api/container_json.hpp"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "api/mounts_body.hpp"
#include "api/network_json.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

/// The members of HostConfig that clients expect and Drydock has no setting for, with what they are
/// when nobody sets them.
const json& neutral_host_config() {
    static const json kNeutral = json::parse(R"({
        "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}},
        "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "VolumeDriver": "",
        "VolumesFrom": null, "ConsoleSize": [0, 0], "CapAdd": null, "CapDrop": null, "CgroupnsMode": "private",
        "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null, "IpcMode": "private",
        "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false, "PublishAllPorts": false,
        "SecurityOpt": null, "UTSMode": "", "UsernsMode": "", "ShmSize": 67108864, "Runtime": "drydock",
        "Isolation": "", "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
        "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0,
        "CpuQuota": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "",
        "Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null, "MemorySwappiness": null,
        "OomKillDisable": false, "Ulimits": null, "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0, "MaskedPaths": null, "ReadonlyPaths": null, "Mounts": []})");
    return kNeutral;
}

json host_config_json(const ContainerConfig& config) {
    json host = neutral_host_config();
    // As the client sent it, as far as it asked for anything: Compose compares.
    const json asked = json::parse(config.asked_host.empty() ? "{}" : config.asked_host);
    for (const auto& [key, value] : asked.items()) {
        const bool says_nothing = value.empty() || value == "" || value == 0 || value == false;
        if (!says_nothing) {
            host[key] = value;
        }
    }
    host["LogConfig"]["Type"] = "json-file";
    host["RestartPolicy"] = {{"Name", config.restart.name},
                             {"MaximumRetryCount", config.restart.max_retries}};
    host["Init"] = config.init ? json(true) : json(nullptr);
    host["Memory"] = config.limits.memory_bytes.value_or(0);
    host["MemorySwap"] = config.limits.memory_swap_bytes.value_or(0);
    host["MemoryReservation"] = config.limits.memory_reservation_bytes.value_or(0);
    host["MemorySwappiness"] =
        config.limits.swappiness ? json(*config.limits.swappiness) : json(nullptr);
    host["CpusetCpus"] = config.limits.cpuset_cpus;
    host["CpusetMems"] = config.limits.cpuset_mems;
    host["BlkioWeight"] = config.limits.io.weight.value_or(0);
    host["NanoCpus"] = config.limits.nano_cpus.value_or(0);
    host["CpuShares"] = config.limits.cpu_shares.value_or(0);
    host["PidsLimit"] = config.limits.pids ? json(*config.limits.pids) : json(nullptr);
    put_network_host_config(host, config);
    host["AutoRemove"] = config.auto_remove;
    host["ReadonlyRootfs"] = config.read_only;
    host["Annotations"] = config.annotations;
    return host;
}

json words_or_null(const std::optional<std::vector<std::string>>& words) {
    return words && !words->empty() ? json(*words) : json(nullptr);
}

/// The places of anonymous volumes, the image's among them.
json volumes_json(const ContainerConfig& config) {
    json volumes;
    for (const MountPoint& mount : config.mounts) {
        if (mount.anonymous) {
            volumes[mount.destination] = json::object();
        }
    }
    return volumes;
}

json config_json(const ContainerConfig& config) {
    json ports = json::object();
    for (const std::string& port : config.exposed_ports) {
        ports[port] = json::object();
    }
    json object = {{"Hostname", config.hostname},
                   {"Domainname", config.network.domainname},
                   {"User", config.user},
                   {"AttachStdin", config.attach_stdin},
                   {"AttachStdout", config.attach_stdout},
                   {"AttachStderr", config.attach_stderr},
                   {"Tty", config.tty},
                   {"OpenStdin", config.open_stdin},
                   {"StdinOnce", config.stdin_once},
                   {"Env", config.env},
                   {"Cmd", words_or_null(config.cmd)},
                   {"Image", config.image},
                   {"Volumes", volumes_json(config)},
                   {"WorkingDir", config.working_dir},
                   {"Entrypoint", words_or_null(config.entrypoint)},
                   {"OnBuild", nullptr},
                   {"Labels", config.labels}};
    if (!config.exposed_ports.empty()) {
        object["ExposedPorts"] = ports;
    }
    if (!config.stop_signal.empty()) {
        object["StopSignal"] = config.stop_signal;
    }
    if (const auto& check = config.healthcheck) {
        object["Healthcheck"] = {{"Test", check->test},
                                 {"Interval", check->interval},
                                 {"Timeout", check->timeout},
                                 {"StartPeriod", check->start_period},
                                 {"StartInterval", check->start_interval},
                                 {"Retries", check->retries}};
    }
    if (config.stop_timeout) {
        object["StopTimeout"] = *config.stop_timeout;
    }
    return object;
}

json health_json(const Health& health) {
    json log = json::array();
    for (const HealthProbe& probe : health.log) {
        log.push_back({{"Start", to_text(probe.start)},
                       {"End", to_text(probe.end)},
                       {"ExitCode", probe.exit_code},
                       {"Output", probe.output}});
    }
    return {{"Status", health.status}, {"FailingStreak", health.failing_streak}, {"Log", log}};
}

json state_json(const ContainerStatus& state) {
    json object = {{"Status", state_name(state)},
                   {"Running", is_up(state)},
                   {"Paused", state.paused},
                   {"Restarting", state.status == Status::Restarting},
                   {"OOMKilled", state.oom_killed},
                   {"Dead", state.status == Status::Dead},
                   {"Pid", state.pid},
                   {"ExitCode", state.exit_code},
                   {"Error", state.error},
                   {"StartedAt", to_text(state.started_at)},
                   {"FinishedAt",
                    to_text(state.status == Status::Running ? std::nullopt : state.finished_at)}};
    if (state.health) {
        object["Health"] = health_json(*state.health);
    }
    return object;
}

/// One word as a shell would need it.
std::string quoted(const std::string& word) {
    const auto plain = [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("@%+=:,./-_").find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (!word.empty() && std::ranges::all_of(word, plain)) {
        return word;
    }
    std::string result = "'";
    for (const char c : word) {
        result += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
    }
    return result + "'";
}

}  // namespace

json inspect_json(const Container& container, const Engine& engine) {
    const ContainerConfig& config = container.config;
    const auto words = command_line(config);
    const std::filesystem::path directory = engine.store().directory(container.id);
    return {
        {"Id", container.id},
        {"Created", to_text(container.created)},
        {"Path", words.empty() ? "" : words.front()},
        {"Args", words.empty() ? json::array()
                               : json(std::vector<std::string>(words.begin() + 1, words.end()))},
        {"State", state_json(container.state)},
        {"Image", config.image_id},
        {"ResolvConfPath", ""},
        {"HostnamePath", ""},
        {"HostsPath", ""},
        {"LogPath", engine.store().log_file(container.id).native()},
        {"Name", "/" + container.name},
        {"RestartCount", container.state.restart_count},
        {"Driver", "overlay2"},
        {"Platform", "linux"},
        {"MountLabel", ""},
        {"ProcessLabel", ""},
        {"AppArmorProfile", ""},
        {"ExecIDs", nullptr},
        {"HostConfig", host_config_json(config)},
        {"GraphDriver", {{"Name", "overlay2"}, {"Data", nullptr}}},
        {"Mounts", mounts_json(config)},
        {"Config", config_json(config)},
        {"NetworkSettings", network_settings_json(container, engine.networks())},
        {"BundlePath", directory.native()}};
}

json list_json(const Container& container, const Engine& engine) {
    std::string command;
    for (const std::string& word : command_line(container.config)) {
        command += (command.empty() ? "" : " ") + quoted(word);
    }
    return {
        {"Id", container.id},
        {"Names", {"/" + container.name}},
        {"Image", container.config.image},
        {"ImageID", container.config.image_id},
        {"Command", command},
        {"Created",
         std::chrono::floor<std::chrono::seconds>(container.created).time_since_epoch().count()},
        {"Ports", ports_list_json(container, engine.networks())},
        {"Labels", container.config.labels},
        {"State", state_name(container.state)},
        {"Status", status_text(container.state, now())},
        {"HostConfig", {{"NetworkMode", container.config.network_mode}}},
        {"NetworkSettings", {{"Networks", container_networks_json(container, engine.networks())}}},
        {"Mounts", mounts_json(container.config)}};
}

}  // namespace drydock::api
