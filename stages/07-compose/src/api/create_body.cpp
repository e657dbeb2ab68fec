#include "api/create_body.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/strict_json.hpp"
#include "07-compose/engine/detach_keys.hpp"
#include "07-compose/engine/signal_name.hpp"

#include "api/body_member.hpp"
#include "api/isolation_body.hpp"
#include "api/mounts_body.hpp"
#include "api/network_body.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

/// What a client may ask for and does not get yet.
struct NotYet {
    const char* pointer = nullptr;
    const char* what = nullptr;
    const char* neutral =
        nullptr;  ///< a value that asks for nothing, besides null, false, 0, "", [] and {}
};

constexpr std::array kNotYet = std::to_array<NotYet>({
    {"/HostConfig/DeviceRequests", "GPUs and other devices by their driver (--gpus)"},
    {"/HostConfig/UsernsMode", "user namespace modes", R"("host")"},
    {"/HostConfig/StorageOpt", "storage options"},
    {"/HostConfig/VolumeDriver", "volume drivers but local", R"("local")"},
    {"/HostConfig/CpuRealtimePeriod", "limits of real-time CPU time"},
    {"/HostConfig/CpuRealtimeRuntime", "limits of real-time CPU time"},
    {"/HostConfig/LogConfig/Type", "log drivers but json-file", R"("json-file")"},
    {"/HostConfig/Runtime", "runtimes but drydock's own", R"("drydock")"},
    {"/HostConfig/Isolation", "isolation technologies", R"("default")"},
});

/// Whether the value asks for nothing.
bool is_neutral(const json& value, const char* neutral) {
    return value.is_null() || value == false || value == 0 || value == "" ||
           ((value.is_array() || value.is_object()) && value.empty()) ||
           (neutral != nullptr && value == json::parse(neutral));
}

void refuse_what_is_not_there_yet(const json& body) {
    for (const NotYet& one : kNotYet) {
        const json::json_pointer pointer(one.pointer);
        if (body.contains(pointer) && !is_neutral(body.at(pointer), one.neutral)) {
            throw NotImplemented(one.what);
        }
    }
}

[[noreturn]] void refuse(const char* key, const char* expected) {
    throw InputError(fmt::format("request body: at /{}: expected {}", key, expected));
}

std::string text_of(const json& object, const char* key) {
    return body_member<std::string>(object, key, "a string");
}
bool flag_of(const json& object, const char* key) {
    return body_member<bool>(object, key, "true or false");
}
std::int64_t number_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found != object.end() && !found->is_null() && !found->is_number_integer()) {
        refuse(key, "a whole number");
    }
    return body_member<std::int64_t>(object, key, "a whole number");
}

/// Cmd and Entrypoint: an array, or one string.
std::optional<std::vector<std::string>> words_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return std::nullopt;
    }
    if (found->is_string()) {
        return std::vector<std::string>{found->get<std::string>()};
    }
    auto words = body_member<std::vector<std::string>>(object, key, "an array of strings");
    return words.empty() ? std::nullopt : std::optional(std::move(words));
}

json object_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return json::object();
    }
    if (!found->is_object()) {
        refuse(key, "an object");
    }
    return *found;
}

std::optional<std::int64_t> positive(std::int64_t number) {
    return number > 0 ? std::optional(number) : std::nullopt;
}

/// Times are in nanoseconds; what is not there is 0, and so as the image says.
std::optional<oci::Healthcheck> read_healthcheck(const json& body) {
    const json object = object_of(body, "Healthcheck");
    oci::Healthcheck check{
        .test = body_member<std::vector<std::string>>(object, "Test", "an array of strings"),
        .interval = number_of(object, "Interval"),
        .timeout = number_of(object, "Timeout"),
        .start_period = number_of(object, "StartPeriod"),
        .start_interval = number_of(object, "StartInterval"),
        .retries = static_cast<int>(number_of(object, "Retries"))};
    constexpr std::int64_t kLeast = 1'000'000;
    for (const std::int64_t time :
         {check.interval, check.timeout, check.start_period, check.start_interval}) {
        if (time != 0 && time < kLeast) {
            throw InputError(
                "Interval, Timeout, StartPeriod and StartInterval in Healthcheck "
                "cannot be less than 1ms");
        }
    }
    if (!check.test.empty() && check.test.front() != "NONE" && check.test.front() != "CMD" &&
        check.test.front() != "CMD-SHELL") {
        throw InputError(
            fmt::format("Unknown healthcheck type '{}'; expected one of NONE, CMD, "
                        "CMD-SHELL",
                        check.test.front()));
    }
    return object.empty() ? std::nullopt : std::optional(check);
}

/// Of json-file: max-size "10m", max-file "3".
void read_log_options(const json& host, LogLimits& limits) {
    const json options = object_of(object_of(host, "LogConfig"), "Config");
    for (const auto& [key, value] : options.items()) {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        if (key == "max-size") {
            limits.max_bytes =
                text == "-1" ? 0 : static_cast<std::uint64_t>(parse_size(text, "max-size"));
        } else if (key == "max-file") {
            constexpr unsigned kMost = 1000;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), limits.max_files);
            if (error != std::errc{} || end != text.data() + text.size() || limits.max_files < 1 ||
                limits.max_files > kMost) {
                throw InputError(
                    fmt::format("log option max-file \"{}\": expected 1 to {}", text, kMost));
            }
        } else {
            throw NotImplemented(fmt::format("the log option \"{}\"", key));
        }
    }
}

/// BlkioDeviceReadBps and its like: a value for each device, which is named by its node.
std::vector<BlockDeviceValue> read_rates(const json& host, const char* key, const char* value_key) {
    std::vector<BlockDeviceValue> rates;
    for (const json& one :
         body_member<std::vector<json>>(host, key, "an array of objects with Path and a value")) {
        const std::string path = text_of(one, "Path");
        struct stat status{};
        if (::stat(path.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) {
            throw InputError(fmt::format("{}: {}: expected a block device", key, path));
        }
        rates.push_back({.major = ::major(status.st_rdev),
                         .minor = ::minor(status.st_rdev),
                         .value = number_of(one, value_key)});
    }
    return rates;
}

}  // namespace

Limits read_limits(const json& host) {
    Limits limits{.memory_bytes = positive(number_of(host, "Memory")),
                  .nano_cpus = positive(number_of(host, "NanoCpus")),
                  .cpu_shares = positive(number_of(host, "CpuShares")),
                  .pids = positive(number_of(host, "PidsLimit")),
                  .memory_reservation_bytes = positive(number_of(host, "MemoryReservation")),
                  .cpuset_cpus = text_of(host, "CpusetCpus"),
                  .cpuset_mems = text_of(host, "CpusetMems")};
    limits.io = {.weight = positive(number_of(host, "BlkioWeight")),
                 .device_weights = read_rates(host, "BlkioWeightDevice", "Weight"),
                 .read_bytes = read_rates(host, "BlkioDeviceReadBps", "Rate"),
                 .write_bytes = read_rates(host, "BlkioDeviceWriteBps", "Rate"),
                 .read_operations = read_rates(host, "BlkioDeviceReadIOps", "Rate"),
                 .write_operations = read_rates(host, "BlkioDeviceWriteIOps", "Rate")};
    if (flag_of(host, "OomKillDisable")) {
        limits.disable_oom_killer = true;
    }
    if (host.contains("MemorySwappiness") && number_of(host, "MemorySwappiness") != -1) {
        limits.swappiness = number_of(host, "MemorySwappiness");
    }
    if (const auto swap = number_of(host, "MemorySwap"); swap != 0) {
        limits.memory_swap_bytes = swap;
    }
    const auto quota = positive(number_of(host, "CpuQuota"));
    const auto period = positive(number_of(host, "CpuPeriod"));
    if (quota && limits.nano_cpus) {
        throw InputError("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set");
    }
    limits.cpu_period_us = period.value_or(limits.cpu_period_us);
    if (quota) {
        // Thousandths of a billionth are below what the scheduler can tell apart.
        limits.nano_cpus = *quota * 1'000'000 / limits.cpu_period_us * 1'000;
    }
    check_limits(limits);
    return limits;
}

std::optional<RestartPolicy> read_restart_policy(const json& host) {
    constexpr std::array<std::string_view, 4> kPolicies = {"no", "always", "unless-stopped",
                                                           "on-failure"};
    const json object = object_of(host, "RestartPolicy");
    RestartPolicy policy{.name = text_of(object, "Name")};
    const std::int64_t retries = number_of(object, "MaximumRetryCount");
    if (policy.name.empty()) {
        return std::nullopt;
    }
    if (std::ranges::find(kPolicies, policy.name) == kPolicies.end()) {
        throw InputError(fmt::format("invalid restart policy: unknown policy '{}'; use one of '{}'",
                                     policy.name, fmt::join(kPolicies, "', '")));
    }
    if (retries < 0 || (retries > 0 && policy.name != "on-failure")) {
        throw InputError(
            "invalid restart policy: maximum retry count can only be used with 'on-failure', and "
            "cannot be negative");
    }
    policy.max_retries = static_cast<unsigned>(retries);
    return policy;
}

std::pair<unsigned, unsigned> read_console_size(const json& object) {
    constexpr unsigned kMost = 65535;
    const auto size =
        body_member<std::vector<unsigned>>(object, "ConsoleSize", "two numbers: rows and columns");
    if (!size.empty() && (size.size() != 2 || size[0] > kMost || size[1] > kMost)) {
        refuse("ConsoleSize", "two numbers: rows and columns");
    }
    return size.empty() ? std::pair(0U, 0U) : std::pair(size[0], size[1]);
}

ExecSpec read_exec_body(const json& body) {
    ExecSpec spec{.command = words_of(body, "Cmd").value_or(std::vector<std::string>()),
                  .env = body_member<std::vector<std::string>>(body, "Env", "an array of strings"),
                  .user = text_of(body, "User"),
                  .working_dir = text_of(body, "WorkingDir"),
                  .tty = flag_of(body, "Tty"),
                  .privileged = flag_of(body, "Privileged"),
                  .attach_stdin = flag_of(body, "AttachStdin"),
                  .attach_stdout = flag_of(body, "AttachStdout"),
                  .attach_stderr = flag_of(body, "AttachStderr"),
                  .detach_keys = parse_detach_keys(text_of(body, "DetachKeys"))};
    const auto size = read_console_size(body);
    if (size.first != 0 && size.second != 0) {
        spec.size = size;
    }
    return spec;
}

ContainerConfig read_create_body(const json& body) {
    refuse_what_is_not_there_yet(body);
    const json host = object_of(body, "HostConfig");
    ContainerConfig config{
        .image = text_of(body, "Image"),
        .entrypoint = words_of(body, "Entrypoint"),
        .cmd = words_of(body, "Cmd"),
        .env = body_member<std::vector<std::string>>(body, "Env", "an array of strings"),
        .working_dir = text_of(body, "WorkingDir"),
        .user = text_of(body, "User"),
        .hostname = text_of(body, "Hostname"),
        .labels =
            body_member<std::map<std::string, std::string>>(body, "Labels", "an object of strings"),
        .stop_signal = text_of(body, "StopSignal"),
        .attach_stdin = flag_of(body, "AttachStdin"),
        .attach_stdout = flag_of(body, "AttachStdout"),
        .attach_stderr = flag_of(body, "AttachStderr"),
        .limits = read_limits(host),
        .network_mode = read_network_mode(body),
        .network = read_network_settings(body),
        .auto_remove = flag_of(host, "AutoRemove"),
        .read_only = flag_of(host, "ReadonlyRootfs"),
        .annotations = body_member<std::map<std::string, std::string>>(host, "Annotations",
                                                                       "an object of strings")};
    config.tty = flag_of(body, "Tty");
    config.open_stdin = flag_of(body, "OpenStdin");
    config.stdin_once = flag_of(body, "StdinOnce");
    if (!config.stop_signal.empty()) {
        static_cast<void>(parse_signal(config.stop_signal));
    }
    if (config.limits.memory_swap_bytes.value_or(-1) > 0 && !config.limits.memory_bytes) {
        throw InputError(
            "You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    std::tie(config.rows, config.columns) = read_console_size(host);
    read_log_options(host, config.log_limits);
    config.init = flag_of(host, "Init");
    config.isolation = read_isolation(host);
    if (config.isolation.uts_mode == "host" && !config.hostname.empty()) {
        throw InputError("conflicting options: hostname and the UTS mode");
    }
    config.restart = read_restart_policy(host).value_or(RestartPolicy{});
    config.healthcheck = read_healthcheck(body);
    read_mounts(body, host, config);
    config.asked_host = host.dump(-1, ' ', false, json::error_handler_t::replace);
    if (config.auto_remove && config.restart.name != "no") {
        throw InputError("can't create 'AutoRemove' container with restart policy");
    }
    const json ports = object_of(body, "ExposedPorts");
    for (const auto& [port, nothing] : ports.items()) {
        config.exposed_ports.push_back(port);
    }
    if (body.contains("StopTimeout") && !body.at("StopTimeout").is_null()) {
        config.stop_timeout = static_cast<int>(number_of(body, "StopTimeout"));
    }
    if (config.image.empty()) {
        throw InputError("request body: at /Image: expected the name of an image");
    }
    return config;
}

}  // namespace drydock::api
