#include "linux_section.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "02-namespaces/masks.hpp"

#include "seccomp_section.hpp"

namespace drydock {
namespace {

using nlohmann::json;

json namespaces_of(const ContainerOptions& options) {
    json result = json::array({{{"type", "mount"}}});
    const auto add = [&](const char* type, const std::string& wanted) {
        if (wanted == "host") {
            return;
        }
        json entry = {{"type", type}};
        if (!wanted.empty()) {
            entry["path"] = wanted;
        }
        result.push_back(std::move(entry));
    };
    add("pid", options.pid_namespace);
    add("network", options.network_namespace);
    add("ipc", options.ipc_namespace);
    add("uts", options.uts_namespace);
    add("cgroup", options.cgroup_namespace);
    return result;
}

void put_rates(json& resources, const char* key, const char* value_key,
               const std::vector<BlockDeviceValue>& rates) {
    for (const BlockDeviceValue& one : rates) {
        resources["blockIO"][key].push_back(
            {{"major", one.major}, {"minor", one.minor}, {value_key, one.value}});
    }
}

json to_json(const DeviceRule& rule) {
    json result = {
        {"allow", rule.allow}, {"type", std::string(1, rule.type)}, {"access", rule.access}};
    if (rule.major >= 0) {
        result["major"] = rule.major;
    }
    if (rule.minor >= 0) {
        result["minor"] = rule.minor;
    }
    return result;
}

json to_json(const oci::Device& device) {
    return {{"path", device.path},   {"type", std::string(1, device.type)}, {"major", device.major},
            {"minor", device.minor}, {"fileMode", device.file_mode},        {"uid", device.uid},
            {"gid", device.gid}};
}

json resources_of(const ContainerOptions& options) {
    json result = {{"devices", json::array({{{"allow", options.privileged}, {"access", "rwm"}}})}};
    for (const DeviceRule& rule : options.device_rules) {
        result["devices"].push_back(to_json(rule));
    }
    put_limits(result, options.limits);
    return result;
}

void put_protection(json& linux_part, const ContainerOptions& options) {
    const std::vector<std::string> none;
    const auto paths = [&](const auto& given, const std::vector<std::string>& usual) {
        return given ? *given : options.privileged ? none : usual;
    };
    linux_part["maskedPaths"] = paths(options.masked_paths, default_masked_paths());
    linux_part["readonlyPaths"] = paths(options.readonly_paths, default_readonly_paths());
    if (!options.seccomp) {
        if (!options.privileged) {
            linux_part["seccomp"] = default_seccomp(container_capabilities(options));
        }
    } else if (!options.seccomp->empty()) {
        linux_part["seccomp"] = json::parse(*options.seccomp);
    }
    for (const oci::Device& device : options.devices) {
        linux_part["devices"].push_back(to_json(device));
    }
}

}  // namespace

void put_limits(json& resources, const Limits& limits) {
    const auto put = [&](const char* section, const char* key, const auto& value) {
        if (value) {
            resources[section][key] = *value;
        }
    };
    put("memory", "limit", limits.memory_bytes);
    put("memory", "swap", limits.memory_swap_bytes);
    put("memory", "reservation", limits.memory_reservation_bytes);
    put("memory", "swappiness", limits.swappiness);
    if (limits.nano_cpus) {
        resources["cpu"]["period"] = limits.cpu_period_us;
        resources["cpu"]["quota"] = cpu_quota_us(limits);
    }
    put("cpu", "shares", limits.cpu_shares);
    if (!limits.cpuset_cpus.empty()) {
        resources["cpu"]["cpus"] = limits.cpuset_cpus;
    }
    if (!limits.cpuset_mems.empty()) {
        resources["cpu"]["mems"] = limits.cpuset_mems;
    }
    put("pids", "limit", limits.pids);
    put("memory", "disableOOMKiller", limits.disable_oom_killer);
    put("blockIO", "weight", limits.io.weight);
    put_rates(resources, "weightDevice", "weight", limits.io.device_weights);
    put_rates(resources, "throttleReadBpsDevice", "rate", limits.io.read_bytes);
    put_rates(resources, "throttleWriteBpsDevice", "rate", limits.io.write_bytes);
    put_rates(resources, "throttleReadIOPSDevice", "rate", limits.io.read_operations);
    put_rates(resources, "throttleWriteIOPSDevice", "rate", limits.io.write_operations);
}

CapabilitySet container_capabilities(const ContainerOptions& options) {
    const std::vector<std::string> all = {"ALL"};
    return options.privileged ? adjusted(0, all, {})
                              : adjusted(kDefaultCapabilities, options.cap_add, options.cap_drop);
}

json linux_section(const ContainerOptions& options) {
    json linux_part = {{"namespaces", namespaces_of(options)},
                       {"resources", resources_of(options)}};
    put_protection(linux_part, options);
    if (!options.cgroups_path.empty()) {
        linux_part["cgroupsPath"] = options.cgroups_path;
    }
    if (!options.sysctl.empty()) {
        linux_part["sysctl"] = options.sysctl;
    }
    return linux_part;
}

}  // namespace drydock
