#include "api/isolation_body.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "api/body_member.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

template <class T>
T host_member(const json& object, const char* key, const char* expected) {
    return body_member<T>(object, key, expected, "/HostConfig");
}

std::vector<std::string> list_in(const json& host, const char* key) {
    return host_member<std::vector<std::string>>(host, key, "an array of strings");
}
std::string text_in(const json& host, const char* key) {
    return host_member<std::string>(host, key, "a string");
}

oci::Rlimit read_ulimit(const json& object) {
    std::string name = host_member<std::string>(object, "Name", "Ulimits with a Name");
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    // -1: no limit.
    const auto number = [&](const char* key) {
        const auto value = host_member<std::int64_t>(object, key, "Ulimits with whole numbers");
        return value == -1 ? std::numeric_limits<std::uint64_t>::max()
                           : static_cast<std::uint64_t>(value);
    };
    const oci::Rlimit limit{
        .type = "RLIMIT_" + name, .soft = number("Soft"), .hard = number("Hard")};
    if (limit.soft > limit.hard) {
        throw InputError(
            fmt::format("ulimit {}: soft limit must be less than or equal to hard limit: {} > {}",
                        object.value("Name", ""), limit.soft, limit.hard));
    }
    return limit;
}

bool option_is_on(const std::string& option, const std::string& value) {
    if (value.empty() || value == "true") {
        return true;
    }
    if (value != "false") {
        throw InputError(fmt::format("invalid --security-opt 2: \"{}\"", option));
    }
    return false;
}

void read_seccomp_option(const std::string& value, Isolation& isolation) {
    if (value != "builtin") {
        isolation.seccomp = value;
    }
}

/// "no-new-privileges", "seccomp=unconfined", "apparmor:PROFILE"…
void read_security_option(const std::string& option, Isolation& isolation) {
    const auto split = option.find_first_of("=:");
    const std::string key = option.substr(0, split);
    const std::string value = split == std::string::npos ? "" : option.substr(split + 1);
    if (key == "no-new-privileges") {
        isolation.no_new_privileges = option_is_on(option, value);
    } else if (key == "seccomp" && !value.empty()) {
        read_seccomp_option(value, isolation);
    } else if (key == "apparmor" && !value.empty()) {
        isolation.apparmor = value == "unconfined" || value == "docker-default" ? "" : value;
    } else if (key == "label" && !value.empty()) {
        if (value != "disable") {
            throw NotImplemented(
                fmt::format("SELinux labels (--security-opt {}); label=disable is", option));
        }
    } else if (key == "systempaths" && value == "unconfined") {
        isolation.masked_paths = std::vector<std::string>();
        isolation.readonly_paths = std::vector<std::string>();
    } else {
        throw InputError(fmt::format("invalid --security-opt 2: \"{}\"", option));
    }
}

void read_devices(const json& host, Isolation& isolation) {
    for (const json& object : host_member<std::vector<json>>(host, "Devices", "an array")) {
        const auto access = host_member<std::string>(object, "CgroupPermissions",
                                                     "Devices with CgroupPermissions as a string");
        isolation.devices.push_back(
            {.host = host_member<std::string>(object, "PathOnHost", "Devices with a PathOnHost"),
             .inside = text_in(object, "PathInContainer"),
             .access = access.empty() ? "rwm" : access});
    }
    for (const std::string& rule : list_in(host, "DeviceCgroupRules")) {
        isolation.device_rules.push_back(parse_device_rule(rule));
    }
}

/// Nothing said is docker's list; an empty one is none.
std::optional<std::vector<std::string>> paths_in(const json& host, const char* key) {
    return host.contains(key) && !host.at(key).is_null() ? std::optional(list_in(host, key))
                                                         : std::nullopt;
}

}  // namespace

Isolation read_isolation(const json& host) {
    Isolation isolation{.privileged = host_member<bool>(host, "Privileged", "true or false"),
                        .cap_add = list_in(host, "CapAdd"),
                        .cap_drop = list_in(host, "CapDrop"),
                        .groups = list_in(host, "GroupAdd"),
                        .sysctls = host_member<std::map<std::string, std::string>>(
                            host, "Sysctls", "an object of strings"),
                        .pid_mode = text_in(host, "PidMode"),
                        .ipc_mode = text_in(host, "IpcMode"),
                        .uts_mode = text_in(host, "UTSMode"),
                        .cgroup_mode = text_in(host, "CgroupnsMode"),
                        .cgroup_parent = text_in(host, "CgroupParent"),
                        .masked_paths = paths_in(host, "MaskedPaths"),
                        .readonly_paths = paths_in(host, "ReadonlyPaths")};
    for (const json& ulimit : host_member<std::vector<json>>(host, "Ulimits", "an array")) {
        isolation.rlimits.push_back(read_ulimit(ulimit));
    }
    for (const std::string& option : list_in(host, "SecurityOpt")) {
        read_security_option(option, isolation);
    }
    read_devices(host, isolation);
    if (const auto bytes = host_member<std::int64_t>(host, "ShmSize", "a whole number");
        bytes != 0) {
        isolation.shm_bytes = bytes;
    }
    if (const auto score = host_member<int>(host, "OomScoreAdj", "a whole number"); score != 0) {
        isolation.oom_score_adj = score;
    }
    return isolation;
}

}  // namespace drydock::api
