#include "02-namespaces/run.hpp"

#include <fcntl.h>
#include <sched.h>

#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/dev.hpp"
#include "02-namespaces/hostname.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/init.hpp"
#include "02-namespaces/landlock.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/masks.hpp"
#include "02-namespaces/namespaces.hpp"
#include "02-namespaces/rlimits.hpp"
#include "02-namespaces/rootfs.hpp"
#include "02-namespaces/seccomp_bpf.hpp"
#include "02-namespaces/user.hpp"

namespace drydock::stage02 {
namespace {

/// What the steps work with: the options, and what is worked out from them once, before the first.
struct Start {
    const Options& options;
    Rootfs rootfs;
    bool user_namespace;
    std::uint64_t namespaces;
    IdMaps id_maps;
    std::vector<MountSpec> mounts;
    CapabilitySet capabilities;
    std::vector<sock_filter> filter;
    Walk walk;  // last, so first to go: the container ends before what it uses does
    User user{};
};

void set_id_maps(Start& s) {
    if (s.user_namespace) {
        write_id_maps(s.walk.child().pid(), s.id_maps);
    }
}

void bring_loopback_up(Start& s) {
    if (s.options.network == Network::None) {
        loopback_up();
    }
}

void switch_user(Start& s) {
    s.user = find_user(open_file("/", O_PATH | O_DIRECTORY).get(), s.options.user);
    become_user(s.user);
}

// clang-format off
// [region: steps]
constexpr Step<Start> kSteps[] = {
    {"clone",          Side::Host,  [](Start& s) { s.walk.clone(s.namespaces); },                       "clone(2), namespaces(7)"},
    {"id-maps",        Side::Host,  set_id_maps,                                                        "user_namespaces(7)"},
    {"session",        Side::Child, [](Start&) { leave_terminal(); },                                   "setsid(2)"},
    {"private-mounts", Side::Child, [](Start&) { make_mounts_private(); },                              "mount_namespaces(7), SHARED SUBTREES"},
    {"mount-rootfs",   Side::Child, [](Start& s) { mount_rootfs(s.rootfs); },                           "pivot_root(2), NOTES"},
    {"mounts",         Side::Child, [](Start& s) { mount_inside(s.rootfs.directory, s.mounts); },       "mount(2), proc(5)"},
    {"devices",        Side::Child, [](Start& s) { make_devices(s.rootfs.directory, default_devices()); }, "mknod(2), null(4)"},
    {"device-links",   Side::Child, [](Start& s) { make_device_links(s.rootfs.directory); },            "pts(4)"},
    {"pivot-root",     Side::Child, [](Start& s) { pivot_to(s.rootfs.directory); },                     "pivot_root(2)"},
    {"hostname",       Side::Child, [](Start& s) { set_hostname(s.options.hostname); },                 "uts_namespaces(7)"},
    {"loopback",       Side::Child, bring_loopback_up,                                                  "netdevice(7)"},
    {"masks",          Side::Child, [](Start&) { mask_paths(default_masked_paths()); },                 "proc(5)"},
    {"readonly-paths", Side::Child, [](Start&) { make_paths_readonly(default_readonly_paths()); },      "mount_setattr(2)"},
    {"readonly-root",  Side::Child, [](Start& s) { if (s.rootfs.readonly) { make_root_readonly(); } },  "mount_setattr(2)"},
    {"workdir",        Side::Child, [](Start& s) { enter_workdir(s.options.command); },                 "chdir(2)"},
    {"rlimits",        Side::Child, [](Start&) { set_rlimits(default_rlimits()); },                     "setrlimit(2)"},
    {"bounding-set",   Side::Child, [](Start& s) { bound_capabilities(s.capabilities); },               "capabilities(7), Capability bounding set"},
    {"user",           Side::Child, switch_user,                                                        "credentials(7)"},
    {"capabilities",   Side::Child, [](Start& s) { set_capabilities(capabilities_for(s.user.uid, s.capabilities)); }, "capabilities(7)"},
    {"no-new-privs",   Side::Child, [](Start&) { set_no_new_privs(); },                                 "prctl(2), PR_SET_NO_NEW_PRIVS"},
    {"landlock",       Side::Child, [](Start& s) { if (s.options.network == Network::Host) { scope_abstract_sockets(); } }, "landlock(7), unix(7)"},
    {"seccomp",        Side::Child, [](Start& s) { load_seccomp(s.filter); },                           "seccomp(2)"},
    {"init",           Side::Child, [](Start& s) { if (s.options.init) { become_init(s.walk); } },      "pid_namespaces(7)"},
    {"exec",           Side::Child, [](Start& s) { exec_command(s.options.command); },                  "execve(2)"},
};
// [/region]
// clang-format on

Start prepared(const Options& options) {
    const bool user_namespace = options.user_namespace || !may_make_namespaces();
    if (user_namespace) {
        require_user_namespaces();
    }
    const bool own_network = options.network == Network::None;
    const IdMaps id_maps = own_id_maps();
    constexpr std::uint32_t kTtyGroup = 5;
    const CapabilitySet capabilities =
        adjusted(kDefaultCapabilities, options.cap_add, options.cap_drop);
    return {.options = options,
            .rootfs = {.directory = options.rootfs, .readonly = options.readonly},
            .user_namespace = user_namespace,
            .namespaces = default_namespaces() | (own_network ? std::uint64_t{CLONE_NEWNET} : 0) |
                          (user_namespace ? std::uint64_t{CLONE_NEWUSER} : 0),
            .id_maps = id_maps,
            .mounts = default_mounts(
                {.host_network = !own_network,
                 .user_namespace = user_namespace,
                 .maps_tty_group = !user_namespace || maps(id_maps.gids, kTtyGroup)}),
            .capabilities = capabilities,
            .filter = compile_seccomp(default_seccomp_profile(capabilities)),
            .walk = Walk(options.walk)};
}

}  // namespace

int run(const Options& options) {
    Start start = prepared(options);
    walk(kSteps, start);
    return start.walk.wait();
}

}  // namespace drydock::stage02
