#include "07-compose/engine/isolation.hpp"

#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/process_attributes.hpp"
#include "02-namespaces/rlimits.hpp"
#include "03-cgroups/sysctl.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOtherContainer = "container:";

bool is_all(const std::string& name) {
    return name == "ALL" || name == "all";
}

/// Of those that were asked for one by one.
void check_capabilities(const Isolation& isolation) {
    const CapabilitySet ours = own_bounding_set();
    for (const std::string& name : isolation.cap_add) {
        const CapabilitySet one = is_all(name) ? 0 : capability(name);
        if ((one & ~ours) != 0) {
            throw InputError(
                fmt::format("capability {}: the daemon has not got it and cannot give it; it can "
                            "give {}",
                            name, fmt::join(capability_names(ours), ", ")));
        }
    }
    for (const std::string& name : isolation.cap_drop) {
        static_cast<void>(is_all(name) ? 0 : capability(name));
    }
}

template <std::size_t N>
void check_namespace_mode(const char* flag, const std::string& mode,
                          const std::array<std::string_view, N>& known, bool may_join) {
    const auto other = joined_container(mode);
    if (!mode.empty() && std::ranges::find(known, mode) == known.end() &&
        !(may_join && other && !other->empty())) {
        throw InputError(fmt::format("{}: invalid mode \"{}\"; expected {}{}", flag, mode,
                                     fmt::join(known, ", "), may_join ? " or container:NAME" : ""));
    }
}

void check_modes(const Isolation& isolation) {
    constexpr std::array<std::string_view, 1> kHost = {"host"};
    constexpr std::array<std::string_view, 2> kCgroup = {"private", "host"};
    constexpr std::array<std::string_view, 4> kIpc = {"private", "none", "host", "shareable"};
    check_namespace_mode("PidMode", isolation.pid_mode, kHost, true);
    check_namespace_mode("IpcMode", isolation.ipc_mode, kIpc, true);
    check_namespace_mode("UTSMode", isolation.uts_mode, kHost, false);
    check_namespace_mode("CgroupnsMode", isolation.cgroup_mode, kCgroup, false);
    if (isolation.cgroup_mode == "host") {
        throw NotImplemented(
            "the host's cgroup namespace: a container never sees the host's groups "
            "(CVE-2022-0492); CgroupnsMode private is there");
    }
    if (isolation.cgroup_parent.find("..") != std::string::npos ||
        isolation.cgroup_parent.find(':') != std::string::npos) {
        throw InputError(fmt::format(
            "CgroupParent \"{}\": expected a path in the tree of cgroups, without \"..\" and \":\"",
            isolation.cgroup_parent));
    }
}

void check_oom_score(const Isolation& isolation) {
    constexpr int kMost = 1000;
    const int score = isolation.oom_score_adj.value_or(0);
    if (score < -kMost || score > kMost) {
        throw InputError(
            fmt::format("Invalid value {}, range for oom score adj is [-1000, 1000]", score));
    }
    const int least = own_oom_score_adj();
    if (isolation.oom_score_adj && score < least &&
        !has_capabilities(capability("CAP_SYS_RESOURCE"))) {
        throw InputError(fmt::format(
            "oom score adj {}: the daemon, whose own is {}, cannot go below that without "
            "CAP_SYS_RESOURCE",
            score, least));
    }
}

void add_node(const fs::path& host, const std::string& inside, const std::string& access,
              ContainerOptions& options) {
    struct stat status{};
    if (::stat(host.c_str(), &status) != 0 ||
        (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))) {
        throw InputError(fmt::format(
            "error gathering device information while adding custom device \"{}\": {}",
            host.native(), fs::exists(host) ? "not a device node" : "no such file or directory"));
    }
    const char type = S_ISBLK(status.st_mode) ? 'b' : 'c';
    const unsigned number_major = major(status.st_rdev);
    const unsigned number_minor = minor(status.st_rdev);
    options.devices.push_back({.path = inside,
                               .type = type,
                               .major = number_major,
                               .minor = number_minor,
                               .file_mode = status.st_mode & 07777U,
                               .uid = status.st_uid,
                               .gid = status.st_gid});
    if (!options.privileged) {
        options.device_rules.push_back({.allow = true,
                                        .type = type,
                                        .major = number_major,
                                        .minor = number_minor,
                                        .access = access});
    }
}

bool is_node(const fs::directory_entry& entry) {
    return !entry.is_symlink() && (entry.is_character_file() || entry.is_block_file());
}

void add_device(const DeviceMapping& device, ContainerOptions& options) {
    const std::string inside = device.inside.empty() ? device.host : device.inside;
    const bool accessible =
        !device.access.empty() && device.access.find_first_not_of("rwm") == std::string::npos;
    if (!inside.starts_with('/') || !accessible) {
        throw InputError(fmt::format(
            "device \"{}:{}:{}\": expected an absolute path, and an access of r, w and m",
            device.host, inside, device.access));
    }
    if (!fs::is_directory(device.host)) {
        add_node(device.host, inside, device.access, options);
        return;
    }
    for (const auto& entry : fs::recursive_directory_iterator(device.host)) {
        if (is_node(entry)) {
            const fs::path below = entry.path().lexically_relative(device.host);
            add_node(entry.path(), fs::path(inside) / below, device.access, options);
        }
    }
}

/// What a privileged container sees in /dev: the host's nodes but terminals, and what a container
/// has of its own. @see runc, devices.HostDevices
void add_host_devices(ContainerOptions& options) {
    constexpr std::array<std::string_view, 8> kOwn = {"pts",     "shm",  "fd",    "mqueue",
                                                      "console", "ptmx", ".udev", "tty"};
    constexpr std::array<std::string_view, 6> kUsual = {"null", "zero",   "full",
                                                        "tty",  "random", "urandom"};
    for (auto entry = fs::recursive_directory_iterator(
             "/dev", fs::directory_options::skip_permission_denied);
         entry != fs::recursive_directory_iterator(); ++entry) {
        const std::string name = entry->path().filename();
        if (entry.depth() == 0 && std::ranges::find(kOwn, name) != kOwn.end()) {
            entry.disable_recursion_pending();
        } else if (is_node(*entry) &&
                   !(entry.depth() == 0 && std::ranges::find(kUsual, name) != kUsual.end())) {
            add_node(entry->path(), entry->path(), "rwm", options);
        }
    }
}

std::uint64_t own_namespaces(const Isolation& isolation) {
    const auto own = [](const std::string& mode) {
        return mode != "host" && !joined_container(mode);
    };
    return CLONE_NEWNET | (own(isolation.ipc_mode) ? CLONE_NEWIPC : 0U) |
           (own(isolation.uts_mode) ? CLONE_NEWUTS : 0U);
}

void put_shared_memory(const Isolation& isolation, ContainerOptions& options) {
    options.shm_size = isolation.ipc_mode == "none" ? 0 : isolation.shm_bytes;
    if (isolation.ipc_mode != "host") {
        return;
    }
    options.ipc_namespace = "host";
    for (const char* place : {"/dev/shm", "/dev/mqueue"}) {
        if (fs::is_directory(place) &&
            std::ranges::find(options.mounts, place, &oci::Mount::destination) ==
                options.mounts.end()) {
            options.mounts.push_back({.destination = place,
                                      .type = "bind",
                                      .source = place,
                                      .options = {"bind", "nosuid", "noexec", "nodev"}});
        }
    }
}

}  // namespace

DeviceRule parse_device_rule(const std::string& text) {
    static const std::regex kForm("([acb]) ([0-9]{1,9}|\\*):([0-9]{1,9}|\\*) ([rwm]{1,3})");
    std::smatch parts;
    if (!std::regex_match(text, parts, kForm)) {
        throw InputError(
            fmt::format("invalid device cgroup format '{}'; expected one like 'c 42:* rmw'", text));
    }
    const auto number = [](const std::string& digits) {
        return digits == "*" ? -1L : std::strtol(digits.c_str(), nullptr, 10);
    };
    return {.allow = true,
            .type = parts[1].str().front(),
            .major = number(parts[2]),
            .minor = number(parts[3]),
            .access = parts[4]};
}

std::optional<std::string> joined_container(std::string_view mode) {
    return mode.starts_with(kOtherContainer)
               ? std::optional<std::string>(mode.substr(kOtherContainer.size()))
               : std::nullopt;
}

void check_isolation(const Isolation& isolation) {
    check_capabilities(isolation);
    check_modes(isolation);
    check_oom_score(isolation);
    for (const oci::Rlimit& limit : isolation.rlimits) {
        check_rlimit({.name = limit.type, .soft = limit.soft, .hard = limit.hard});
    }
    check_sysctls(isolation.sysctls, own_namespaces(isolation));
    if (!isolation.apparmor.empty()) {
        require_apparmor("security option apparmor");
    }
    if (isolation.shm_bytes < 0) {
        throw InputError("SHM size can not be less than 0");
    }
    ContainerOptions unused;
    for (const DeviceMapping& device : isolation.devices) {
        add_device(device, unused);
    }
    if (isolation.seccomp && *isolation.seccomp != "unconfined") {
        static_cast<void>(oci_seccomp(*isolation.seccomp, {}));
    }
}

// [region: put-isolation]
void put_isolation(const Isolation& isolation, ContainerOptions& options) {
    options.privileged = isolation.privileged;
    options.cap_add = isolation.cap_add;
    options.cap_drop = isolation.cap_drop;
    options.no_new_privileges = isolation.no_new_privileges;
    options.apparmor_profile = isolation.apparmor;
    options.group_add = isolation.groups;
    options.sysctl = isolation.sysctls;
    options.rlimits = isolation.rlimits;
    options.oom_score_adj = isolation.oom_score_adj;
    options.masked_paths = isolation.masked_paths;
    options.readonly_paths = isolation.readonly_paths;
    options.device_rules = isolation.device_rules;
    options.pid_namespace = isolation.pid_mode == "host" ? "host" : "";
    options.uts_namespace = isolation.uts_mode == "host" ? "host" : "";
    if (isolation.seccomp == "unconfined") {
        options.seccomp = "";
    } else if (isolation.seccomp && !isolation.privileged) {
        const CapabilitySet set =
            adjusted(kDefaultCapabilities, isolation.cap_add, isolation.cap_drop);
        options.seccomp = oci_seccomp(*isolation.seccomp, capability_names(set));
    }
    if (isolation.privileged) {
        add_host_devices(options);
    }
    for (const DeviceMapping& device : isolation.devices) {
        add_device(device, options);
    }
    put_shared_memory(isolation, options);
}
// [/region]

std::vector<std::string> isolation_warnings(const Isolation& isolation) {
    const std::array<std::string, 1> all = {"ALL"};
    const CapabilitySet missing = adjusted(0, all, {}) & ~own_bounding_set();
    const bool wants_all = isolation.privileged || std::ranges::any_of(isolation.cap_add, is_all);
    if (!wants_all || missing == 0) {
        return {};
    }
    return {fmt::format("The daemon itself has not got {}: neither will the container.",
                        fmt::join(capability_names(missing), ", "))};
}

}  // namespace drydock
