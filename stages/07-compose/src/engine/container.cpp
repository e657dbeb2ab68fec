#include "07-compose/engine/container.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<Status, std::string_view>, 5> kStatusNames = {
    {{Status::Created, "created"},
     {Status::Running, "running"},
     {Status::Restarting, "restarting"},
     {Status::Exited, "exited"},
     {Status::Dead, "dead"}}};

Status status_of_name(std::string_view name) {
    for (const auto& [status, its_name] : kStatusNames) {
        if (its_name == name) {
            return status;
        }
    }
    return Status::Dead;
}

std::string_view name_of(Status status) {
    for (const auto& [its_status, name] : kStatusNames) {
        if (its_status == status) {
            return name;
        }
    }
    return "dead";
}

json optional_json(const std::optional<std::int64_t>& value) {
    return value ? json(*value) : json(nullptr);
}

std::optional<std::int64_t> optional_number(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? std::nullopt
                                                     : std::optional(found->get<std::int64_t>());
}

json rates_json(const std::vector<BlockDeviceValue>& rates) {
    json list = json::array();
    for (const BlockDeviceValue& one : rates) {
        list.push_back({one.major, one.minor, one.value});
    }
    return list;
}

std::vector<BlockDeviceValue> rates_from(const json& object, const char* key) {
    std::vector<BlockDeviceValue> rates;
    for (const json& one : object.value(key, json::array())) {
        rates.push_back({.major = one.at(0), .minor = one.at(1), .value = one.at(2)});
    }
    return rates;
}

json limits_json(const Limits& limits) {
    return {{"memory", optional_json(limits.memory_bytes)},
            {"memory_swap", optional_json(limits.memory_swap_bytes)},
            {"nano_cpus", optional_json(limits.nano_cpus)},
            {"cpu_period_us", limits.cpu_period_us},
            {"cpu_shares", optional_json(limits.cpu_shares)},
            {"pids", optional_json(limits.pids)},
            {"memory_reservation", optional_json(limits.memory_reservation_bytes)},
            {"swappiness", optional_json(limits.swappiness)},
            {"cpuset_cpus", limits.cpuset_cpus},
            {"cpuset_mems", limits.cpuset_mems},
            {"disable_oom_killer", limits.disable_oom_killer.value_or(false)},
            {"io_weight", optional_json(limits.io.weight)},
            {"io_weights", rates_json(limits.io.device_weights)},
            {"io_read_bytes", rates_json(limits.io.read_bytes)},
            {"io_write_bytes", rates_json(limits.io.write_bytes)},
            {"io_reads", rates_json(limits.io.read_operations)},
            {"io_writes", rates_json(limits.io.write_operations)}};
}

Limits limits_from(const json& object) {
    Limits limits{.memory_bytes = optional_number(object, "memory"),
                  .memory_swap_bytes = optional_number(object, "memory_swap"),
                  .nano_cpus = optional_number(object, "nano_cpus"),
                  .cpu_period_us = object.at("cpu_period_us").get<std::int64_t>(),
                  .cpu_shares = optional_number(object, "cpu_shares"),
                  .pids = optional_number(object, "pids"),
                  .memory_reservation_bytes = optional_number(object, "memory_reservation"),
                  .swappiness = optional_number(object, "swappiness"),
                  .cpuset_cpus = object.value("cpuset_cpus", ""),
                  .cpuset_mems = object.value("cpuset_mems", "")};
    if (object.value("disable_oom_killer", false)) {
        limits.disable_oom_killer = true;
    }
    limits.io = {.weight = optional_number(object, "io_weight"),
                 .device_weights = rates_from(object, "io_weights"),
                 .read_bytes = rates_from(object, "io_read_bytes"),
                 .write_bytes = rates_from(object, "io_write_bytes"),
                 .read_operations = rates_from(object, "io_reads"),
                 .write_operations = rates_from(object, "io_writes")};
    return limits;
}

json healthcheck_json(const std::optional<oci::Healthcheck>& check) {
    return !check ? json(nullptr)
                  : json{{"test", check->test},
                         {"interval", check->interval},
                         {"timeout", check->timeout},
                         {"start_period", check->start_period},
                         {"start_interval", check->start_interval},
                         {"retries", check->retries}};
}

oci::Healthcheck healthcheck_from(const json& object) {
    return {.test = object.at("test"),
            .interval = object.at("interval"),
            .timeout = object.at("timeout"),
            .start_period = object.at("start_period"),
            .start_interval = object.at("start_interval"),
            .retries = object.at("retries")};
}

json mounts_json(const std::vector<MountPoint>& mounts) {
    json list = json::array();
    for (const MountPoint& mount : mounts) {
        list.push_back({{"type", mount.type},
                        {"name", mount.name},
                        {"source", mount.source},
                        {"subpath", mount.subpath},
                        {"destination", mount.destination},
                        {"mode", mount.mode},
                        {"propagation", mount.propagation},
                        {"options", mount.options},
                        {"writable", mount.writable},
                        {"recursive", mount.recursive},
                        {"anonymous", mount.anonymous}});
    }
    return list;
}

MountPoint mount_from(const json& object) {
    return {.type = object.at("type"),
            .name = object.at("name"),
            .source = object.at("source"),
            .subpath = object.value("subpath", ""),
            .destination = object.at("destination"),
            .mode = object.at("mode"),
            .propagation = object.at("propagation"),
            .options = object.at("options"),
            .writable = object.at("writable"),
            .recursive = object.at("recursive"),
            .anonymous = object.at("anonymous")};
}

json stored_config(const ContainerConfig& config) {
    return {{"image", config.image},
            {"image_id", config.image_id},
            {"entrypoint", config.entrypoint.value_or(std::vector<std::string>{})},
            {"cmd", config.cmd.value_or(std::vector<std::string>{})},
            {"env", config.env},
            {"working_dir", config.working_dir},
            {"user", config.user},
            {"hostname", config.hostname},
            {"labels", config.labels},
            {"exposed_ports", config.exposed_ports},
            {"stop_signal", config.stop_signal},
            {"stop_timeout", config.stop_timeout ? json(*config.stop_timeout) : json(nullptr)},
            {"attach_stdin", config.attach_stdin},
            {"attach_stdout", config.attach_stdout},
            {"attach_stderr", config.attach_stderr},
            {"tty", config.tty},
            {"open_stdin", config.open_stdin},
            {"stdin_once", config.stdin_once},
            {"rows", config.rows},
            {"columns", config.columns},
            {"log_max_bytes", config.log_limits.max_bytes},
            {"log_max_files", config.log_limits.max_files},
            {"limits", limits_json(config.limits)},
            {"network_mode", config.network_mode},
            {"network", to_stored_json(config.network)},
            {"auto_remove", config.auto_remove},
            {"read_only", config.read_only},
            {"annotations", config.annotations},
            {"restart", config.restart.name},
            {"restart_retries", config.restart.max_retries},
            {"init", config.init},
            {"healthcheck", healthcheck_json(config.healthcheck)},
            {"mounts", mounts_json(config.mounts)},
            {"privileged", config.isolation.privileged},
            {"pid_mode", config.isolation.pid_mode},
            {"ipc_mode", config.isolation.ipc_mode},
            {"shm_bytes", config.isolation.shm_bytes},
            {"asked_host", config.asked_host}};
}

ContainerConfig config_from(const json& object) {
    const auto timeout = optional_number(object, "stop_timeout");
    ContainerConfig config{.image = object.at("image"),
                           .image_id = object.at("image_id"),
                           .working_dir = object.at("working_dir"),
                           .user = object.at("user"),
                           .hostname = object.at("hostname"),
                           .stop_signal = object.at("stop_signal"),
                           .attach_stdin = object.at("attach_stdin"),
                           .attach_stdout = object.at("attach_stdout"),
                           .attach_stderr = object.at("attach_stderr"),
                           .limits = limits_from(object.at("limits")),
                           .network_mode = object.at("network_mode"),
                           .auto_remove = object.at("auto_remove"),
                           .read_only = object.at("read_only")};
    object.at("entrypoint").get_to(config.entrypoint.emplace());
    object.at("cmd").get_to(config.cmd.emplace());
    object.at("env").get_to(config.env);
    object.at("labels").get_to(config.labels);
    object.at("exposed_ports").get_to(config.exposed_ports);
    object.at("annotations").get_to(config.annotations);
    if (const auto network = object.find("network"); network != object.end()) {
        config.network = network_settings_from(*network);
    }
    if (timeout) {
        config.stop_timeout = static_cast<int>(*timeout);
    }
    // Containers of before there were these have none of them.
    config.tty = object.value("tty", false);
    config.open_stdin = object.value("open_stdin", false);
    config.stdin_once = object.value("stdin_once", false);
    config.rows = object.value("rows", 0U);
    config.columns = object.value("columns", 0U);
    config.log_limits.max_bytes = object.value("log_max_bytes", config.log_limits.max_bytes);
    config.log_limits.max_files = object.value("log_max_files", config.log_limits.max_files);
    config.restart = {.name = object.value("restart", config.restart.name),
                      .max_retries = object.value("restart_retries", 0U)};
    config.init = object.value("init", false);
    if (const json check = object.value("healthcheck", json()); check.is_object()) {
        config.healthcheck = healthcheck_from(check);
    }
    for (const json& mount : object.value("mounts", json::array())) {
        config.mounts.push_back(mount_from(mount));
    }
    config.isolation = {.privileged = object.value("privileged", false),
                        .pid_mode = object.value("pid_mode", ""),
                        .ipc_mode = object.value("ipc_mode", ""),
                        .shm_bytes = object.value("shm_bytes", kDefaultShmBytes)};
    config.asked_host = object.value("asked_host", "");
    return config;
}

/// What stands behind "Up 4 seconds".
std::string health_text(const ContainerStatus& state) {
    if (state.paused) {
        return " (Paused)";
    }
    if (!state.health) {
        return "";
    }
    return state.health->status == "starting" ? " (health: starting)"
                                              : " (" + state.health->status + ")";
}

}  // namespace

bool is_up(const ContainerStatus& state) {
    return state.status == Status::Running || state.status == Status::Restarting;
}

std::string_view state_name(const ContainerStatus& state) {
    return state.status == Status::Running && state.paused ? "paused" : name_of(state.status);
}

std::vector<std::string> command_line(const ContainerConfig& config) {
    std::vector<std::string> words = config.entrypoint.value_or(std::vector<std::string>{});
    const std::vector<std::string> arguments = config.cmd.value_or(std::vector<std::string>{});
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
}

std::string status_text(const ContainerStatus& state, Time at) {
    switch (state.status) {
        case Status::Created:
            return "Created";
        case Status::Running:
            return "Up " + duration_in_words(at - state.started_at.value_or(at)) +
                   health_text(state);
        case Status::Restarting:
            return fmt::format("Restarting ({}) {} ago", state.exit_code,
                               duration_in_words(at - state.finished_at.value_or(at)));
        case Status::Exited:
            return fmt::format("Exited ({}) {} ago", state.exit_code,
                               duration_in_words(at - state.finished_at.value_or(at)));
        case Status::Dead:
            break;
    }
    return "Dead";
}

std::string to_json(const Container& container) {
    const json object = {{"version", 1},
                         {"id", container.id},
                         {"name", container.name},
                         {"created", to_text(container.created)},
                         {"config", stored_config(container.config)}};
    return object.dump(1, ' ', false, json::error_handler_t::replace);
}

Container container_from_json(std::string_view text, std::string_view name_for_errors) {
    try {
        const json object = json::parse(text);
        const auto created = parse_time(object.at("created").get<std::string>());
        if (object.at("version") != 1 || !created) {
            throw InputError(
                fmt::format("{}: expected version 1 and a time of creation", name_for_errors));
        }
        return {.id = object.at("id"),
                .name = object.at("name"),
                .created = *created,
                .config = config_from(object.at("config"))};
    } catch (const json::exception& e) {
        throw InputError(fmt::format("{}: {}", name_for_errors, e.what()));
    }
}

std::string to_json(const ContainerStatus& state) {
    const json object = {{"status", name_of(state.status)},
                         {"pid", state.pid},
                         {"exit_code", state.exit_code},
                         {"oom_killed", state.oom_killed},
                         {"starting", state.starting},
                         {"stop_asked", state.stop_asked},
                         {"paused", state.paused},
                         {"restart_count", state.restart_count},
                         {"error", state.error},
                         {"started_at", to_text(state.started_at)},
                         {"finished_at", to_text(state.finished_at)},
                         {"boot_id", state.boot_id}};
    return object.dump(1, ' ', false, json::error_handler_t::replace);
}

ContainerStatus state_from_json(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) {
        return {};
    }
    try {
        return {.status = status_of_name(object.at("status").get<std::string>()),
                .pid = object.at("pid"),
                .exit_code = object.at("exit_code"),
                .oom_killed = object.at("oom_killed"),
                .starting = object.at("starting"),
                .stop_asked = object.at("stop_asked"),
                .paused = object.value("paused", false),
                .restart_count = object.value("restart_count", 0U),
                .error = object.at("error"),
                .started_at = parse_time(object.at("started_at").get<std::string>()),
                .finished_at = parse_time(object.at("finished_at").get<std::string>()),
                .boot_id = object.at("boot_id")};
    } catch (const json::exception&) {
        return {};
    }
}

}  // namespace drydock
