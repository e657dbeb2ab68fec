#include "07-compose/cli/isolation_spec.hpp"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/container_spec.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

template <class Value>
void put_unless_empty(json& host, const char* key, const Value& value) {
    if (!value.empty()) {
        host[key] = value;
    }
}

void put_unless_zero(json& host, const char* key, std::int64_t value) {
    if (value != 0) {
        host[key] = value;
    }
}

/// "/dev/fuse", "/dev/fuse:r", "/dev/fuse:/dev/inside:rw".
json device_json(const std::string& text) {
    const auto first = text.find(':');
    const std::string host = text.substr(0, first);
    std::string inside = host;
    std::string access = "rwm";
    if (first != std::string::npos) {
        const std::string rest = text.substr(first + 1);
        const auto second = rest.find(':');
        if (second == std::string::npos && !rest.starts_with('/')) {
            access = rest;
        } else {
            inside = rest.substr(0, second);
            access = second == std::string::npos ? access : rest.substr(second + 1);
        }
    }
    if (!host.starts_with('/') || access.empty() ||
        access.find_first_not_of("rwm") != std::string::npos) {
        throw InputError(fmt::format(
            "device \"{}\": expected HOSTPATH[:PATH[:rwm]], like /dev/fuse or /dev/sda:/dev/xvda:r",
            text));
    }
    return {{"PathOnHost", host}, {"PathInContainer", inside}, {"CgroupPermissions", access}};
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

json ulimit_json(const std::string& text) {
    const auto equals = text.find('=');
    const std::string_view limits =
        equals == std::string::npos ? "" : std::string_view(text).substr(equals + 1);
    const auto colon = limits.find(':');
    const auto number = [](std::string_view one) {
        return one == "unlimited" ? std::optional<std::int64_t>(-1) : whole_number(one);
    };
    const auto soft = number(limits.substr(0, colon));
    const auto hard = colon == std::string_view::npos ? soft : number(limits.substr(colon + 1));
    if (equals == std::string::npos || equals == 0 || !soft || !hard) {
        throw InputError(
            fmt::format("ulimit \"{}\": expected NAME=SOFT[:HARD], like nofile=1024:2048", text));
    }
    return {{"Name", text.substr(0, equals)}, {"Soft", *soft}, {"Hard", *hard}};
}

/// What names a file is sent as what stands in it; "systempaths" is no option of the daemon's.
void put_security(json& host, const std::vector<std::string>& options) {
    for (const std::string& option : options) {
        const auto [key, value] =
            parse_pair(option.find('=') == std::string::npos && option.find(':') != option.npos
                           ? std::string(option).replace(option.find(':'), 1, "=")
                           : option,
                       "security option");
        if (key == "systempaths" && value == "unconfined") {
            host["MaskedPaths"] = json::array();
            host["ReadonlyPaths"] = json::array();
        } else if (key == "seccomp" && value != "unconfined" && value != "builtin") {
            const json profile = json::parse(read_file(value), nullptr, false);
            if (profile.is_discarded()) {
                throw InputError(fmt::format("seccomp profile {}: is no JSON", value));
            }
            host["SecurityOpt"].push_back("seccomp=" + profile.dump());
        } else {
            host["SecurityOpt"].push_back(option);
        }
    }
}

/// "/dev/sda:1mb" as {"Path", "Rate"}.
void put_device_values(json& host, const char* key, const char* value_key,
                       const std::vector<std::string>& texts, bool bytes) {
    for (const std::string& text : texts) {
        const auto colon = text.rfind(':');
        const std::string value = colon == std::string::npos ? "" : text.substr(colon + 1);
        const auto number = bytes && colon != std::string::npos
                                ? std::optional(parse_bytes(value, "rate of a device"))
                                : whole_number(value);
        if (!number || !text.starts_with('/')) {
            throw InputError(fmt::format("device \"{}\": expected DEVICE:{}", text,
                                         bytes ? "BYTES, like /dev/sda:1mb" : "NUMBER"));
        }
        host[key].push_back({{"Path", text.substr(0, colon)}, {value_key, *number}});
    }
}

void put_resources(json& host, const IsolationSpec& spec) {
    put_unless_zero(host, "MemoryReservation", spec.memory_reservation);
    put_unless_zero(host, "MemorySwap", spec.memory_swap);
    if (spec.swappiness) {
        host["MemorySwappiness"] = *spec.swappiness;
    }
    put_unless_zero(host, "CpuShares", spec.cpu_shares);
    put_unless_zero(host, "CpuPeriod", spec.cpu_period);
    put_unless_zero(host, "CpuQuota", spec.cpu_quota);
    put_unless_empty(host, "CpusetCpus", spec.cpuset_cpus);
    put_unless_empty(host, "CpusetMems", spec.cpuset_mems);
    put_unless_zero(host, "BlkioWeight", spec.io_weight);
    put_device_values(host, "BlkioWeightDevice", "Weight", spec.io_weights, false);
    put_device_values(host, "BlkioDeviceReadBps", "Rate", spec.io_read_bytes, true);
    put_device_values(host, "BlkioDeviceWriteBps", "Rate", spec.io_write_bytes, true);
    put_device_values(host, "BlkioDeviceReadIOps", "Rate", spec.io_reads, false);
    put_device_values(host, "BlkioDeviceWriteIOps", "Rate", spec.io_writes, false);
}

}  // namespace

std::pair<std::string, std::string> parse_pair(const std::string& text, std::string_view where) {
    const auto equals = text.find('=');
    if (equals == 0 || text.empty()) {
        throw InputError(fmt::format("{}: \"{}\": expected KEY=VALUE", where, text));
    }
    return {text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
}

void put_isolation(json& host, const IsolationSpec& spec) {
    if (spec.privileged) {
        host["Privileged"] = true;
    }
    if (spec.oom_kill_disable) {
        host["OomKillDisable"] = true;
    }
    put_unless_empty(host, "CapAdd", spec.cap_add);
    put_unless_empty(host, "CapDrop", spec.cap_drop);
    put_unless_empty(host, "DeviceCgroupRules", spec.device_rules);
    put_unless_empty(host, "Sysctls", spec.sysctls);
    put_unless_empty(host, "GroupAdd", spec.groups);
    put_unless_empty(host, "PidMode", spec.pid);
    put_unless_empty(host, "IpcMode", spec.ipc);
    put_unless_empty(host, "UTSMode", spec.uts);
    put_unless_empty(host, "UsernsMode", spec.userns);
    put_unless_empty(host, "CgroupnsMode", spec.cgroupns);
    put_unless_empty(host, "CgroupParent", spec.cgroup_parent);
    put_unless_empty(host, "Runtime", spec.runtime);
    put_unless_empty(host, "StorageOpt", spec.storage);
    put_unless_zero(host, "ShmSize", spec.shm_bytes);
    put_unless_zero(host, "OomScoreAdj", spec.oom_score_adj);
    for (const std::string& device : spec.devices) {
        host["Devices"].push_back(device_json(device));
    }
    for (const std::string& ulimit : spec.ulimits) {
        host["Ulimits"].push_back(ulimit_json(ulimit));
    }
    put_security(host, spec.security);
    put_resources(host, spec);
    if (!spec.log_driver.empty() || !spec.log_options.empty()) {
        host["LogConfig"] = {{"Type", spec.log_driver}, {"Config", spec.log_options}};
    }
    for (const auto& [key, value] : spec.annotations) {
        host["Annotations"][key] = value;
    }
}

}  // namespace drydock::cli
