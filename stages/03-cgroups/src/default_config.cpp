#include "03-cgroups/default_config.hpp"

#include <linux/seccomp.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/dev.hpp"
#include "02-namespaces/masks.hpp"
#include "02-namespaces/seccomp_profile.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

using Json = nlohmann::ordered_json;

/// Docker's less MKNOD, NET_RAW and AUDIT_WRITE, which few programs need; those who do can ask.
const CapabilitySet kSpecCapabilities = adjusted(
    kDefaultCapabilities, {}, std::array<std::string, 3>{"MKNOD", "NET_RAW", "AUDIT_WRITE"});

Json action_json(SeccompAction action) {
    Json json;
    if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
        json["action"] = "SCMP_ACT_ERRNO";
        json["errnoRet"] = action & SECCOMP_RET_DATA;
    } else {
        json["action"] = "SCMP_ACT_ALLOW";
    }
    return json;
}

Json seccomp_json(const SeccompProfile& profile) {
    const Json by_default = action_json(profile.default_action);
    Json json;
    json["defaultAction"] = by_default.at("action");
    json["defaultErrnoRet"] = by_default.at("errnoRet");
    json["architectures"] = {"SCMP_ARCH_X86_64"};
    for (const SeccompRule& rule : profile.rules) {
        Json entry;
        entry["names"] = rule.names;
        entry.update(action_json(rule.action));
        for (const SeccompCondition& condition : rule.conditions) {
            const bool masked = condition.op == SeccompCondition::Operator::MaskedEqual;
            entry["args"].push_back({{"index", condition.index},
                                     {"value", condition.value},
                                     {"valueTwo", condition.value_two},
                                     {"op", masked ? "SCMP_CMP_MASKED_EQ" : "SCMP_CMP_EQ"}});
        }
        json["syscalls"].push_back(std::move(entry));
    }
    return json;
}

Json default_process() {
    const std::vector<std::string> capabilities = capability_names(kSpecCapabilities);
    Json process;
    process["terminal"] = true;
    process["user"] = {{"uid", 0}, {"gid", 0}, {"umask", 022}, {"additionalGids", {0}}};
    process["args"] = {"sh"};
    process["env"] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                      "TERM=xterm"};
    process["cwd"] = "/";
    process["capabilities"] = {
        {"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}};
    process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}},
                          {{"type", "RLIMIT_CORE"}, {"hard", 0}, {"soft", 0}}};
    process["noNewPrivileges"] = true;
    return process;
}

Json default_mount_list(bool rootless) {
    Json mounts = Json::array();
    const auto add = [&](const char* destination, const char* type, const char* source,
                         std::vector<std::string> options) {
        Json mount;
        mount["destination"] = destination;
        mount["type"] = type;
        mount["source"] = source;
        if (!options.empty()) {
            mount["options"] = options;
        }
        mounts.push_back(std::move(mount));
    };
    std::vector<std::string> terminals = {"nosuid", "noexec", "newinstance", "ptmxmode=0666",
                                          "mode=0620"};
    if (!rootless) {
        terminals.emplace_back("gid=5");  // has no ID where only the caller's own is mapped
    }
    add("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
    add("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"});
    add("/dev/pts", "devpts", "devpts", terminals);
    add("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"});
    add("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
    add("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"});
    add("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"});
    return mounts;
}

Json default_linux(bool rootless) {
    Json result;
    constexpr int kMostProcesses = 4096;
    result["resources"] = {
        {"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})},
    };
    if (!rootless) {
        result["resources"]["pids"] = {{"limit", kMostProcesses}};
    }
    Json namespaces = Json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) {
        namespaces.push_back({{"type", type}});
    }
    if (rootless) {
        namespaces.push_back({{"type", "user"}});
        const auto mapping = [](unsigned id) {
            return Json::array({{{"containerID", 0}, {"hostID", id}, {"size", 1}}});
        };
        result["uidMappings"] = mapping(::geteuid());
        result["gidMappings"] = mapping(::getegid());
    }
    result["namespaces"] = namespaces;
    // Of the container's own network namespace: ping and port 80 without a capability.
    result["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                        {"net.ipv4.ping_group_range", rootless ? "0 0" : "0 2147483647"}};
    result["maskedPaths"] = default_masked_paths();
    result["readonlyPaths"] = default_readonly_paths();
    result["seccomp"] = seccomp_json(default_seccomp_profile(kSpecCapabilities));
    return result;
}

}  // namespace

std::string default_config(bool rootless) {
    Json config;
    config["ociVersion"] = kOciVersion;
    config["process"] = default_process();
    if (rootless) {
        config["process"]["user"].erase("additionalGids");
    }
    config["root"] = {{"path", "rootfs"}, {"readonly", true}};
    config["hostname"] = "drydock";
    config["mounts"] = default_mount_list(rootless);
    config["linux"] = default_linux(rootless);
    return config.dump(2) + "\n";
}

}  // namespace drydock
