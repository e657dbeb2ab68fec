#include "03-cgroups/run.hpp"

#include <fcntl.h>
#include <sched.h>

#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "02-namespaces/hostname.hpp"
#include "02-namespaces/init.hpp"
#include "02-namespaces/keyring.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/masks.hpp"
#include "02-namespaces/scheduling.hpp"
#include "03-cgroups/sysctl.hpp"

#include "start.hpp"

namespace drydock::stage03 {
namespace {

// When a row is one of the table at all; the others decide for themselves.
// Whoever is no global root could not write to its own files in /proc any more: "attributes" is
// first.
bool has_own_ids(const Start& s) {
    return s.has_new(CLONE_NEWUSER);
}
bool has_host_ids(const Start& s) {
    return !s.has_new(CLONE_NEWUSER);
}
bool joins_user_namespace(const Start& s) {
    return s.joins(CLONE_NEWUSER);
}
bool joins_no_user_namespace(const Start& s) {
    return !s.joins(CLONE_NEWUSER);
}
bool has_keyring(const Start& s) {
    return !s.options.keyring.empty();
}
bool has_terminal(const Start& s) {
    return s.options.terminal.wanted;
}
bool has_gate(const Start& s) {
    return s.options.start_gate >= 0;
}
bool has_create_hooks(const Start& s) {
    return !s.options.hooks.prestart.empty() || !s.options.hooks.create_runtime.empty();
}
bool has_container_hooks(const Start& s) {
    return !s.options.hooks.create_container.empty();
}
bool has_start_hooks(const Start& s) {
    return !s.options.hooks.start_container.empty();
}
bool has_pid_namespace(const Start& s) {
    return (s.target->namespaces & CLONE_NEWPID) != 0;
}
/// A process comes into a PID namespace by its birth alone.
bool enters_pid_namespace(const Start& s) {
    return s.joins(CLONE_NEWPID) || (s.joins(CLONE_NEWUSER) && s.has_new(CLONE_NEWPID));
}
bool has_agent(const Start& s) {
    return !s.options.seccomp_agent.socket.empty();
}
bool tells_agent_early(const Start& s) {
    return has_agent(s) && !s.options.no_new_privs;
}
bool tells_agent_last(const Start& s) {
    return has_agent(s) && s.options.no_new_privs;
}
bool has_initial_cpus(const Start& s) {
    return !s.options.exec_cpus.initial.empty();
}
bool has_final_cpus(const Start& s) {
    return !s.options.exec_cpus.final_.empty();
}
bool is_detached(const Start& s) {
    return s.options.detached;
}

// clang-format off
constexpr Step<Start> kSteps[] = {
    {"idmapped-mounts", Side::Host, [](Start& s) { s.prepared_mounts = prepare_mounts(s.options.mounts); }, "mount_setattr(2), MOUNT_ATTR_IDMAP"},
    {"seccomp-agent",  Side::Host,  connect_to_agent,                                                   "seccomp_unotify(2)", has_agent},
    {"cgroup",         Side::Host,  make_group_with_limits,                                             "cgroups(7)"},
    {"clone",          Side::Host,  clone_into_namespaces,                                              "clone(2), namespaces(7)"},
    {"id-maps",        Side::Host,  set_id_maps,                                                        "user_namespaces(7)"},
    {"root-inside",    Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWUSER)) { become_first_inside(s.options.id_maps); } }, "user_namespaces(7)"},
    {"undumpable",     Side::Child, [](Start&) { become_undumpable(); },                                "prctl(2), PR_SET_DUMPABLE", has_host_ids},
    {"session",        Side::Child, [](Start&) { leave_terminal(); },                                   "setsid(2)"},
    {"keyring",        Side::Child, [](Start& s) { join_keyring(s.options.keyring); },                  "session-keyring(7)", has_keyring},
    {"attributes-outside", Side::Child, [](Start& s) { set_attributes(s.options.attributes); },         "proc(5), user_namespaces(7)", joins_user_namespace},
    {"join-namespaces", Side::Child, join_others,                                                       "setns(2)"},
    {"namespaces-inside", Side::Child, make_namespaces_inside,                                          "unshare(2)", joins_user_namespace},
    {"pid-namespace",  Side::Child, [](Start& s) { s.walk.go_on_in_pid_namespace(); },                  "pid_namespaces(7)", enters_pid_namespace},
    {"session-inside", Side::Child, [](Start&) { leave_terminal(); },                                   "setsid(2)", enters_pid_namespace},
    {"join-cgroup",    Side::Child, [](Start& s) { s.group.join(s.is_born_inside()); },                   "cgroups(7), \"tasks\" and \"cgroup.procs\""},
    {"cgroup-namespace", Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWCGROUP)) { enter_cgroup_namespace(); } }, "cgroup_namespaces(7)"},
    {"time-namespace", Side::Child, [](Start& s) { if (s.has_new(CLONE_NEWTIME)) { enter_time_namespace(s.options.clock_offsets); } }, "time_namespaces(7)"},
    {"attributes",     Side::Child, [](Start& s) { set_attributes(s.options.attributes); },             "proc(5), sched_setattr(2), personality(2)", joins_no_user_namespace},
    {"sysctl",         Side::Child, [](Start& s) { set_sysctls(s.options.sysctl); },                    "sysctl(8), proc(5)"},
    {"undumpable-inside", Side::Child, [](Start&) { become_undumpable(); },                                "prctl(2), PR_SET_DUMPABLE", has_own_ids},
    {"agent-message",  Side::Child, write_agent_message,                                                "seccomp_unotify(2)", has_agent},
    {"private-mounts", Side::Child, [](Start& s) { detach_mount_events(s.options.propagation, s.options.follows_host, s.options.rootfs.directory); }, "mount_namespaces(7), SHARED SUBTREES"},
    {"mount-rootfs",   Side::Child, [](Start& s) { mount_rootfs(s.options.rootfs); },                   "pivot_root(2), NOTES"},
    {"mounts",         Side::Child, [](Start& s) { mount_inside(s.options.rootfs.directory, s.options.mounts, s.prepared_mounts); }, "mount(2), proc(5)"},
    {"devices",        Side::Child, [](Start& s) { make_devices(s.options.rootfs.directory, s.options.devices); }, "mknod(2), null(4)"},
    {"device-links",   Side::Child, [](Start& s) { if (s.options.own_dev) { make_device_links(s.options.rootfs.directory); } }, "pts(4)"},
    {"create-hooks",   Side::Host,  run_create_hooks,                                                   "runtime-spec, config.md, \"prestart\", \"createRuntime\"", has_create_hooks},
    {"container-hooks", Side::Child, run_container_hooks,                                               "runtime-spec, config.md, \"createContainer\"", has_container_hooks},
    {"pivot-root",     Side::Child, [](Start& s) { pivot_to(s.options.rootfs.directory); },             "pivot_root(2)"},
    {"terminal",       Side::Child, give_terminal,                                                      "pts(4), ioctl_tty(2)", has_terminal},
    {"controlling-terminal", Side::Child, [](Start&) { take_controlling_terminal(); },                  "ioctl_tty(2), TIOCSCTTY", has_terminal},
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
    {"find-command",   Side::Child, [](Start& s) { check_command(s.options.command); },                 "access(2)", has_gate},
    {"close-files",    Side::Child, close_what_is_the_hosts,                                            "close_range(2)", has_gate},
    {"await-start",    Side::Child, await_start,                                                        "runtime-spec, runtime.md, \"Start\"", has_gate},
    {"start-hooks",    Side::Child, run_start_hooks,                                                    "runtime-spec, config.md, \"startContainer\"", has_start_hooks},
    {"seccomp",        Side::Child, [](Start& s) { load_filter(s, false); },                            "seccomp(2)"},
    {"init",           Side::Child, [](Start& s) { if (s.options.init) { become_init(s.walk); } },      "pid_namespaces(7)"},
    {"exec",           Side::Child, [](Start& s) { exec_command(s.options.command); },                  "execve(2)"},
};

// One more process in a container. It enters the PID namespace last, when it holds nothing any more
// that those who see it there could take from it (CVE-2016-9962).
constexpr Step<Start> kExecSteps[] = {
    {"seccomp-agent",  Side::Host,  connect_to_agent,                                                   "seccomp_unotify(2)", has_agent},
    {"clone",          Side::Host,  [](Start& s) { s.walk.clone(0, s.is_born_inside() ? s.group.clone_fd() : -1); },                         "clone(2)"},
    {"attributes",     Side::Child, [](Start& s) { set_attributes(s.options.attributes); },             "proc(5), sched_setattr(2), personality(2)"},
    {"initial-cpus",   Side::Child, [](Start& s) { set_cpu_affinity(s.options.exec_cpus.initial); },    "sched_setaffinity(2)", has_initial_cpus},
    {"undumpable",     Side::Child, [](Start&) { become_undumpable(); },                                "prctl(2), PR_SET_DUMPABLE"},
    {"keyring",        Side::Child, [](Start& s) { join_keyring(s.options.keyring); },                  "session-keyring(7)", has_keyring},
    {"join-cgroup",    Side::Child, [](Start& s) { s.group.join(s.is_born_inside()); },                   "cgroups(7), \"tasks\" and \"cgroup.procs\""},
    {"final-cpus",     Side::Child, [](Start& s) { set_cpu_affinity(s.options.exec_cpus.final_); },     "sched_setaffinity(2)", has_final_cpus},
    {"join-namespaces", Side::Child, join_target,                                                       "setns(2)"},
    {"terminal",       Side::Child, give_terminal,                                                      "pts(4), ioctl_tty(2)", has_terminal},
    {"workdir",        Side::Child, [](Start& s) { enter_workdir(s.options.command); },                 "chdir(2)"},
    {"rlimits",        Side::Child, [](Start& s) { set_rlimits(s.options.rlimits); },                   "setrlimit(2)"},
    {"seccomp-early",  Side::Child, [](Start& s) { load_filter(s, true); },                             "seccomp(2)"},
    {"tell-agent",     Side::Host,  tell_agent,                                                         "seccomp_unotify(2)", tells_agent_early},
    {"bounding-set",   Side::Child, [](Start& s) { bound_capabilities(bound_of(s)); },                  "capabilities(7), Capability bounding set"},
    {"user",           Side::Child, switch_user,                                                        "credentials(7)"},
    {"capabilities",   Side::Child, [](Start& s) { set_capabilities(wanted_capabilities(s)); },         "capabilities(7)"},
    {"no-new-privs",   Side::Child, [](Start& s) { if (s.options.no_new_privs) { set_no_new_privs(); } }, "prctl(2), PR_SET_NO_NEW_PRIVS"},
    {"close-files",    Side::Child, close_what_is_the_hosts,                                            "close_range(2)"},
    {"pid-namespace",  Side::Child, [](Start& s) { s.walk.go_on_in_pid_namespace(); },                  "pid_namespaces(7)", has_pid_namespace},
    {"session",        Side::Child, [](Start&) { leave_terminal(); },                                   "setsid(2)"},
    {"controlling-terminal", Side::Child, [](Start&) { take_controlling_terminal(); },                  "ioctl_tty(2), TIOCSCTTY", has_terminal},
    {"outlive-host",   Side::Child, [](Start& s) { s.walk.outlive_host(); },                            "prctl(2), PR_SET_PDEATHSIG", is_detached},
    {"seccomp",        Side::Child, [](Start& s) { load_filter(s, false); },                            "seccomp(2)"},
    {"tell-agent-last", Side::Host, tell_agent,                                                         "seccomp_unotify(2)", tells_agent_last},
    {"exec",           Side::Child, [](Start& s) { exec_command(s.options.command); },                  "execve(2)"},
};
// clang-format on

}  // namespace

std::unique_ptr<Running> start(const Options& options) {
    auto start = std::make_unique<Start>(options);
    walk(kSteps, *start);
    return start;
}

std::unique_ptr<Running> start_in(const Target& target, const Options& options) {
    auto start = std::make_unique<Start>(options);
    start->target = target;
    start->group = open_cgroup(target.cgroup);
    walk(kExecSteps, *start);
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
