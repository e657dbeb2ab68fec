#include "03-cgroups/bundle.hpp"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "02-namespaces/namespaces.hpp"
#include "03-cgroups/sysctl.hpp"

#include "cgroup_mount.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 8> kNamespaces = {{
    {"pid", CLONE_NEWPID},
    {"network", CLONE_NEWNET},
    {"mount", CLONE_NEWNS},
    {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS},
    {"user", CLONE_NEWUSER},
    {"cgroup", CLONE_NEWCGROUP},
    {"time", CLONE_NEWTIME},
}};

void set_namespaces(const oci::Config& config, stage03::Options& options) {
    for (const oci::Namespace& ns : config.linux_.namespaces) {
        const auto* const known =
            std::ranges::find(kNamespaces, ns.type, &decltype(kNamespaces)::value_type::first);
        if (known == kNamespaces.end()) {
            throw InputError(
                fmt::format("config.json: /linux/namespaces: unknown type \"{}\"", ns.type));
        }
        const std::uint64_t flag = known->second;
        if (ns.path.empty()) {
            options.namespaces |= flag;
        } else if (flag == CLONE_NEWPID || flag == CLONE_NEWUSER || flag == CLONE_NEWNS ||
                   flag == CLONE_NEWTIME) {
            throw NotImplemented(
                fmt::format("linux.namespaces: joining a {} namespace by path", ns.type));
        } else {
            options.joined.push_back({.path = ns.path, .flag = flag});
        }
    }
    // In the host's mount namespace everything below would happen to the host.
    if ((options.namespaces & CLONE_NEWNS) == 0) {
        throw NotImplemented("linux.namespaces: a container without a mount namespace of its own");
    }
    if ((options.namespaces & CLONE_NEWTIME) != 0) {
        throw NotImplemented("linux.namespaces: a new time namespace");
    }
    // A container never sees the host's tree of groups, whether it asks for this or not
    // (CVE-2022-0492).
    const bool joins_cgroup = std::ranges::any_of(
        options.joined, [](const auto& j) { return j.flag == CLONE_NEWCGROUP; });
    if (!joins_cgroup) {
        options.namespaces |= CLONE_NEWCGROUP;
    }
}

/// What is read and cannot be done yet: nothing that a bundle asks for is dropped in silence.
void refuse_missing(const oci::Config& config) {
    const auto refuse_if = [](bool asked, std::string_view what) {
        if (asked) {
            throw NotImplemented(what);
        }
    };
    const oci::Process& process = config.process;
    refuse_if(process.oom_score_adj.has_value(), "process.oomScoreAdj");
    refuse_if(process.io_priority.has_value(), "process.ioPriority");
    refuse_if(process.scheduler.has_value(), "process.scheduler");
    refuse_if(!process.apparmor_profile.empty(), "process.apparmorProfile");
    refuse_if(!process.selinux_label.empty(), "process.selinuxLabel");
    refuse_if(!config.domainname.empty(), "domainname");
    const oci::Hooks& hooks = config.hooks;
    refuse_if(!hooks.prestart.empty() || !hooks.create_runtime.empty() ||
                  !hooks.create_container.empty() || !hooks.start_container.empty() ||
                  !hooks.poststart.empty() || !hooks.poststop.empty(),
              "hooks");
    const oci::Linux& linux_ = config.linux_;
    const std::string& propagation = linux_.rootfs_propagation;
    refuse_if(propagation.ends_with("shared") || propagation.ends_with("unbindable"),
              "linux.rootfsPropagation: " + propagation);
    refuse_if(!linux_.mount_label.empty(), "linux.mountLabel");
    refuse_if(linux_.personality.has_value(), "linux.personality");
    refuse_if(!linux_.time_offsets.empty(), "linux.timeOffsets");
    if (linux_.seccomp) {
        refuse_if(!linux_.seccomp->flags.empty(), "linux.seccomp.flags");
        refuse_if(!linux_.seccomp->listener_path.empty(), "linux.seccomp.listenerPath");
    }
    for (const oci::Mount& mount : config.mounts) {
        refuse_if(!mount.uid_mappings.empty() || !mount.gid_mappings.empty(),
                  "mounts: uidMappings and gidMappings");
    }
}

std::vector<IdRange> id_ranges(const std::vector<oci::IdMapping>& mappings) {
    std::vector<IdRange> ranges;
    for (const oci::IdMapping& m : mappings) {
        ranges.push_back({.inside = m.container_id, .outside = m.host_id, .count = m.size});
    }
    return ranges;
}

MountSpec mount_from(const oci::Mount& mount, const fs::path& bundle) {
    MountSpec spec = with_mount_options(
        {.source = mount.source, .target = mount.destination, .type = mount.type}, mount.options);
    if ((spec.flags & MS_BIND) != 0 && !fs::path(spec.source).is_absolute()) {
        spec.source = (bundle / spec.source).native();
    }
    return spec;
}

void set_mounts(const oci::Config& config, const fs::path& bundle, stage03::Options& options) {
    options.rootfs.directory =
        config.root.path.is_absolute() ? config.root.path : bundle / config.root.path;
    options.rootfs.readonly = config.root.readonly;
    for (const oci::Mount& mount : config.mounts) {
        if (mount.destination == "/") {
            // The layers of an image, mounted where only the container sees them.
            options.rootfs.filesystem = mount_from(mount, bundle);
        } else if (mount.type == "cgroup") {
            const std::vector<MountSpec> mounts =
                cgroup_mounts(mount_from(mount, bundle), find_hierarchy());
            options.mounts.insert(options.mounts.end(), mounts.begin(), mounts.end());
        } else {
            options.mounts.push_back(mount_from(mount, bundle));
        }
    }
    const bool has_dev = std::ranges::any_of(
        options.mounts, [](const MountSpec& m) { return m.target == "/dev" && m.type == "tmpfs"; });
    if (has_dev) {
        options.devices = default_devices();
    }
    for (const oci::Device& d : config.linux_.devices) {
        options.devices.push_back({.path = d.path,
                                   .mode = d.file_mode & 07777U,
                                   .type = d.type == 'c'   ? mode_t{S_IFCHR}
                                           : d.type == 'b' ? mode_t{S_IFBLK}
                                                           : mode_t{S_IFIFO},
                                   .major = d.major,
                                   .minor = d.minor,
                                   .uid = d.uid,
                                   .gid = d.gid});
    }
}

CapabilitySet capability_set(const std::vector<std::string>& names) {
    CapabilitySet set = 0;
    for (const std::string& name : names) {
        set |= capability(name);
    }
    return set;
}

void set_identity(const oci::Process& process, stage03::Options& options) {
    options.user = {
        .uid = process.user.uid, .gid = process.user.gid, .groups = process.user.additional_gids};
    constexpr mode_t kUmask = 022;
    options.umask = process.user.umask.value_or(kUmask);
    const oci::Capabilities names = process.capabilities.value_or(oci::Capabilities());
    options.capabilities = Capabilities{.bounding = capability_set(names.bounding),
                                        .permitted = capability_set(names.permitted),
                                        .effective = capability_set(names.effective),
                                        .inheritable = capability_set(names.inheritable),
                                        .ambient = capability_set(names.ambient)};
    options.no_new_privs = process.no_new_privileges;
    for (const oci::Rlimit& limit : process.rlimits) {
        options.rlimits.push_back({.name = limit.type, .soft = limit.soft, .hard = limit.hard});
    }
    if (process.rlimits.empty()) {
        options.rlimits = default_rlimits();
    }
}

SeccompAction seccomp_action(const std::string& name, std::optional<std::uint32_t> errno_ret) {
    if (name == "SCMP_ACT_ALLOW") {
        return SECCOMP_RET_ALLOW;
    }
    if (name == "SCMP_ACT_ERRNO") {
        return SECCOMP_RET_ERRNO | errno_ret.value_or(EPERM);
    }
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") {
        return SECCOMP_RET_KILL_THREAD;
    }
    if (name == "SCMP_ACT_KILL_PROCESS") {
        return SECCOMP_RET_KILL_PROCESS;
    }
    if (name == "SCMP_ACT_TRAP") {
        return SECCOMP_RET_TRAP;
    }
    if (name == "SCMP_ACT_LOG") {
        return SECCOMP_RET_LOG;
    }
    if (name == "SCMP_ACT_TRACE" || name == "SCMP_ACT_NOTIFY") {
        throw NotImplemented("linux.seccomp: " + name);
    }
    throw InputError(
        fmt::format("config.json: /linux/seccomp: unknown action \"{}\"; expected SCMP_ACT_ALLOW, "
                    "SCMP_ACT_ERRNO, ...",
                    name));
}

SeccompCondition seccomp_condition(const oci::SeccompArg& arg) {
    using Operator = SeccompCondition::Operator;
    constexpr std::array<std::pair<std::string_view, Operator>, 7> kOperators = {{
        {"SCMP_CMP_EQ", Operator::Equal},
        {"SCMP_CMP_NE", Operator::NotEqual},
        {"SCMP_CMP_LT", Operator::Less},
        {"SCMP_CMP_LE", Operator::LessOrEqual},
        {"SCMP_CMP_GT", Operator::Greater},
        {"SCMP_CMP_GE", Operator::GreaterOrEqual},
        {"SCMP_CMP_MASKED_EQ", Operator::MaskedEqual},
    }};
    const auto* const known =
        std::ranges::find(kOperators, arg.op, &decltype(kOperators)::value_type::first);
    if (known == kOperators.end()) {
        throw InputError(fmt::format(
            "config.json: /linux/seccomp/syscalls: unknown op \"{}\"; expected SCMP_CMP_EQ, ...",
            arg.op));
    }
    return {
        .index = arg.index, .op = known->second, .value = arg.value, .value_two = arg.value_two};
}

SeccompProfile seccomp_profile(const oci::Seccomp& seccomp) {
    SeccompProfile profile{.default_action =
                               seccomp_action(seccomp.default_action, seccomp.default_errno_ret)};
    for (const oci::SeccompRule& rule : seccomp.syscalls) {
        SeccompRule result{.names = rule.names,
                           .action = seccomp_action(rule.action, rule.errno_ret)};
        for (const oci::SeccompArg& arg : rule.args) {
            result.conditions.push_back(seccomp_condition(arg));
        }
        profile.rules.push_back(std::move(result));
    }
    return profile;
}

void set_resources(const oci::Linux& linux_, stage03::Options& options) {
    options.limits = linux_.limits;
    if (std::ranges::count(linux_.cgroups_path, ':') == 2) {
        throw NotImplemented(
            fmt::format("linux.cgroupsPath \"{}\": groups of systemd", linux_.cgroups_path));
    }
    options.cgroup_path = linux_.cgroups_path;
    if (!linux_.device_rules.empty()) {
        // Without the default ones after it, a "deny all" would take /dev/null away too; runc does
        // the same.
        options.device_rules = linux_.device_rules;
        for (const DeviceRule& rule : default_device_rules()) {
            if (rule.allow) {
                options.device_rules.push_back(rule);
            }
        }
    }
}

}  // namespace

stage03::Options options_from(const oci::Config& config, const fs::path& bundle) {
    stage03::Options options;
    options.command = {
        .argv = config.process.args, .env = config.process.env, .workdir = config.process.cwd};
    options.make_workdir = true;
    refuse_missing(config);
    set_namespaces(config, options);
    const oci::Linux& linux_ = config.linux_;
    if (!linux_.uid_mappings.empty() || !linux_.gid_mappings.empty()) {
        if ((options.namespaces & CLONE_NEWUSER) == 0) {
            throw InputError(
                "config.json: /linux/uidMappings: expected a \"user\" among /linux/namespaces");
        }
    }
    options.id_maps = {.uids = id_ranges(linux_.uid_mappings),
                       .gids = id_ranges(linux_.gid_mappings)};
    set_mounts(config, bundle, options);
    set_identity(config.process, options);
    set_resources(linux_, options);
    options.hostname = config.hostname;
    options.masked_paths = linux_.masked_paths;
    options.readonly_paths = linux_.readonly_paths;
    std::uint64_t own = options.namespaces;
    for (const stage03::JoinedNamespace& joined : options.joined) {
        own |= joined.flag;
    }
    if (!options.hostname.empty() && (own & CLONE_NEWUTS) == 0) {
        throw InputError(
            "config.json: /hostname: expected a \"uts\" among /linux/namespaces; the host's name "
            "would change");
    }
    check_sysctls(linux_.sysctl, own);
    options.sysctl = linux_.sysctl;
    if (linux_.seccomp) {
        options.seccomp = seccomp_profile(*linux_.seccomp);
    }
    return options;
}

Bundle load_bundle(const fs::path& bundle, const std::string& id) {
    std::error_code error;
    const fs::path directory = fs::canonical(bundle, error);
    if (error) {
        throw InputError(fmt::format("bundle {}: no such directory", bundle.native()));
    }
    oci::ReadConfig read = oci::read_bundle(directory);
    Bundle result{.directory = directory,
                  .options = options_from(read.config, directory),
                  .warnings = std::move(read.warnings)};
    fs::path& rootfs = result.options.rootfs.directory;
    if (!fs::is_directory(rootfs, error)) {
        throw InputError(fmt::format("{}/config.json: /root/path: {}: no such directory",
                                     directory.native(), rootfs.native()));
    }
    rootfs = fs::canonical(rootfs);
    if (result.options.cgroup_path.empty()) {
        result.options.cgroup_path = id;
    }
    if (read.config.process.terminal) {
        result.warnings.push_back(
            fmt::format("{}/config.json: /process/terminal: not implemented; the command gets our "
                        "standard streams",
                        directory.native()));
    }
    return result;
}

}  // namespace drydock
