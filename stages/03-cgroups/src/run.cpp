#include "03-cgroups/run.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>

#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "02-namespaces/hostname.hpp"
#include "02-namespaces/init.hpp"
#include "02-namespaces/join.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/masks.hpp"
#include "02-namespaces/seccomp_bpf.hpp"
#include "03-cgroups/sysctl.hpp"

namespace drydock::stage03 {
namespace {

/// What the steps work with: the options, and what is worked out from them once, before the first.
struct Start final : Running {
    explicit Start(const Options& from);

    [[nodiscard]] Child& child() override { return walk.child(); }
    [[nodiscard]] Cgroup& cgroup() override { return group; }
    [[nodiscard]] const BlockedSignals& signals() override { return walk.signals(); }
    [[nodiscard]] bool has_new(std::uint64_t flag) const {
        return (options.namespaces & flag) != 0;
    }

    /// Moving into a group of cgroup v2 waits for every CPU; being cloned into it does not.
    [[nodiscard]] bool is_born_inside() const {
        return group.clone_fd() >= 0 && !walk.skips("join-cgroup");
    }

    Options options;
    std::vector<sock_filter> filter{};
    User user{};
    std::vector<UniqueFd> prepared_mounts{};
    Cgroup group{};
    Walk walk;  // last, so first to go: the container ends before what it uses does
};

Start::Start(const Options& from) : options(from), user(from.user), walk(from.walk) {
    if (options.seccomp) {
        filter = compile_seccomp(*options.seccomp);
    }
}

void make_group_with_limits(Start& s) {
    s.group = make_cgroup(s.options.cgroup_path, s.options.limits);
    s.group.set_devices(s.options.device_rules);
}

void clone_into_namespaces(Start& s) {
    // The cgroup namespace comes after the join: its root is the group in which the process is when
    // it is made.
    // The time namespace comes with its offsets.
    s.walk.clone(s.options.namespaces & ~(std::uint64_t{CLONE_NEWCGROUP} | CLONE_NEWTIME),
                 s.is_born_inside() ? s.group.clone_fd() : -1);
}

void set_id_maps(Start& s) {
    if (s.has_new(CLONE_NEWUSER)) {
        write_id_maps(s.walk.child().pid(), s.options.id_maps);
    }
}

void join_others(Start& s) {
    for (const JoinedNamespace& joined : s.options.joined) {
        join_namespace(joined.path, joined.flag);
    }
}

void switch_user(Start& s) {
    const UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    Command& command = s.options.command;
    const bool has_home = std::ranges::any_of(
        command.env, [](const std::string& v) { return v.starts_with("HOME="); });
    if (!s.options.user_name.empty()) {
        s.user = find_user(root.get(), s.options.user_name);
    } else if (!has_home) {
        s.user.home = find_user(root.get(), std::to_string(s.user.uid)).home;
    }
    if (!has_home) {
        command.env.push_back("HOME=" + s.user.home);
    }
    become_user(s.user);
    if (s.options.umask) {
        ::umask(*s.options.umask);
    }
}

CapabilitySet bound_of(const Start& s) {
    return s.options.capabilities ? s.options.capabilities->bounding : s.options.capability_set;
}

Capabilities wanted_capabilities(const Start& s) {
    return s.options.capabilities ? *s.options.capabilities
                                  : capabilities_for(s.user.uid, s.options.capability_set);
}

/// Without no_new_privs only a process with CAP_SYS_ADMIN may load a filter: then it is loaded
/// before that is given up, else last, so that fewer calls of ours have to be in its list.
void load_filter(Start& s, bool early) {
    if (!s.filter.empty() && early != s.options.no_new_privs) {
        load_seccomp(s.filter);
    }
}

// clang-format off
// [region: steps]
constexpr Step<Start> kSteps[] = {
    {"idmapped-mounts", Side::Host, [](Start& s) { s.prepared_mounts = prepare_mounts(s.options.mounts); }, "mount_setattr(2), MOUNT_ATTR_IDMAP"},
    {"cgroup",         Side::Host,  make_group_with_limits,                                             "cgroups(7)"},
    {"clone",          Side::Host,  clone_into_namespaces,                                              "clone(2), namespaces(7)"},
    {"id-maps",        Side::Host,  set_id_maps,                                                        "user_namespaces(7)"},
    {"root-inside",    Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWUSER)) { become_first_inside(s.options.id_maps); } }, "user_namespaces(7)"},
    {"session",        Side::Child, [](Start&) { leave_terminal(); },                                   "setsid(2)"},
    {"join-namespaces", Side::Child, join_others,                                                       "setns(2)"},
    {"join-cgroup",    Side::Child, [](Start& s) { s.group.join(s.is_born_inside()); },                                   "cgroups(7), \"tasks\" and \"cgroup.procs\""},
    {"cgroup-namespace", Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWCGROUP)) { enter_cgroup_namespace(); } }, "cgroup_namespaces(7)"},
    {"time-namespace", Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWTIME)) { enter_time_namespace(s.options.clock_offsets); } }, "time_namespaces(7)"},
    {"attributes",     Side::Child, [](Start& s) { set_attributes(s.options.attributes); },             "proc(5), sched_setattr(2), personality(2)"},
    {"sysctl",         Side::Child, [](Start& s) { set_sysctls(s.options.sysctl); },                    "sysctl(8), proc(5)"},
    {"private-mounts", Side::Child, [](Start& s) { detach_mount_events(s.options.propagation, s.options.follows_host, s.options.rootfs.directory); }, "mount_namespaces(7), SHARED SUBTREES"},
    {"mount-rootfs",   Side::Child, [](Start& s) { mount_rootfs(s.options.rootfs); },                   "pivot_root(2), NOTES"},
    {"mounts",         Side::Child, [](Start& s) { mount_inside(s.options.rootfs.directory, s.options.mounts, s.prepared_mounts); }, "mount(2), proc(5)"},
    {"devices",        Side::Child, [](Start& s) { make_devices(s.options.rootfs.directory, s.options.devices); }, "mknod(2), null(4)"},
    {"device-links",   Side::Child, [](Start& s) { if (s.options.own_dev) { make_device_links(s.options.rootfs.directory); } }, "pts(4)"},
    {"pivot-root",     Side::Child, [](Start& s) { pivot_to(s.options.rootfs.directory); },             "pivot_root(2)"},
    {"hostname",       Side::Child, [](Start& s) { if (!s.options.hostname.empty()) { set_hostname(s.options.hostname); } }, "uts_namespaces(7)"},
    {"domainname",     Side::Child, [](Start& s) { if (!s.options.domainname.empty()) { set_domainname(s.options.domainname); } }, "uts_namespaces(7)"},
    {"loopback",       Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWNET)) { loopback_up(); } },   "netdevice(7)"},
    {"masks",          Side::Child, [](Start& s) { mask_paths(s.options.masked_paths); },               "proc(5)"},
    {"readonly-paths", Side::Child, [](Start& s) { make_paths_readonly(s.options.readonly_paths); },    "mount_setattr(2)"},
    {"make-workdir",   Side::Child, [](Start& s) { if (s.options.make_workdir) { make_directories_in_root(open_file("/", O_PATH).get(), s.options.command.workdir); } }, "mkdir(2)"},
    {"readonly-root",  Side::Child, [](Start& s) { if (s.options.rootfs.readonly) { make_root_readonly(); } }, "mount_setattr(2)"},
    {"propagation",    Side::Child, [](Start& s) { set_root_propagation(s.options.propagation); },      "mount_namespaces(7), SHARED SUBTREES"},
    {"workdir",        Side::Child, [](Start& s) { enter_workdir(s.options.command); },                 "chdir(2)"},
    {"rlimits",        Side::Child, [](Start& s) { set_rlimits(s.options.rlimits); },                   "setrlimit(2)"},
    {"seccomp-early",  Side::Child, [](Start& s) { load_filter(s, true); },                             "seccomp(2)"},
    {"bounding-set",   Side::Child, [](Start& s) { bound_capabilities(bound_of(s)); },                  "capabilities(7), Capability bounding set"},
    {"user",           Side::Child, switch_user,                                                        "credentials(7)"},
    {"capabilities",   Side::Child, [](Start& s) { set_capabilities(wanted_capabilities(s)); },         "capabilities(7)"},
    {"no-new-privs",   Side::Child, [](Start& s) { if (s.options.no_new_privs) { set_no_new_privs(); } }, "prctl(2), PR_SET_NO_NEW_PRIVS"},
    {"seccomp",        Side::Child, [](Start& s) { load_filter(s, false); },                            "seccomp(2)"},
    {"init",           Side::Child, [](Start& s) { if (s.options.init) { become_init(s.walk); } },      "pid_namespaces(7)"},
    {"exec",           Side::Child, [](Start& s) { exec_command(s.options.command); },                  "execve(2)"},
};
// [/region]
// clang-format on

}  // namespace

std::unique_ptr<Running> start(const Options& options) {
    auto start = std::make_unique<Start>(options);
    walk(kSteps, *start);
    return start;
}

Ended finish(Running& running, int exit_status) {
    // Before the group goes, and its counters with it.
    const bool oom = running.cgroup().oom_kills() > 0;
    running.cgroup().remove();
    return {.exit_status = exit_status, .oom_killed = oom};
}

Ended run(const Options& options, const std::function<void(Running&)>& when_running) {
    const std::unique_ptr<Running> running = start(options);
    if (when_running) {
        when_running(*running);
    }
    const int exit_status = wait_and_forward(running->child(), running->signals());
    return finish(*running, exit_status);
}

}  // namespace drydock::stage03
