#include "start.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/descriptors.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/join.hpp"
#include "02-namespaces/seccomp_bpf.hpp"
#include "02-namespaces/terminal_proxy.hpp"

#include "hook_process.hpp"
#include "seccomp_agent.hpp"

namespace drydock::stage03 {

Start::Start(const Options& from) : options(from), user(from.user), walk(from.walk) {
    if (options.seccomp) {
        filter = compile_seccomp(*options.seccomp);
    }
}

Start::~Start() {
    if (target) {
        group.release();  // the container's, not ours
    }
}

bool Start::joins(std::uint64_t flag) const {
    return std::ranges::any_of(
        options.joined, [flag](const JoinedNamespace& joined) { return joined.flag == flag; });
}

void Start::let_go() noexcept {
    walk.let_go();
    group.release();
}

void make_group_with_limits(Start& s) {
    s.group = make_cgroup(s.options.cgroup_path, s.options.limits);
    s.group.set_devices(s.options.device_rules);
}

namespace {

/// The cgroup namespace comes after the join: its root is the group in which the process is when it
/// is made. The time namespace comes with its offsets.
std::uint64_t namespaces_of_clone(const Start& s) {
    return s.options.namespaces & ~(std::uint64_t{CLONE_NEWCGROUP} | CLONE_NEWTIME);
}

}  // namespace

void clone_into_namespaces(Start& s) {
    // And those that are to belong to a user namespace come when that has been joined.
    s.walk.clone(s.joins(CLONE_NEWUSER) ? 0 : namespaces_of_clone(s),
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
        if (joined.flag == CLONE_NEWUSER) {
            become_first_inside({});
        }
    }
}

void make_namespaces_inside(Start& s) {
    make_namespaces(namespaces_of_clone(s));
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
    own_standard_streams(s.user.uid, s.options.terminal.wanted);
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

void load_filter(Start& s, bool early) {
    if (s.filter.empty() || early == s.options.no_new_privs) {
        return;
    }
    UniqueFd listener = load_seccomp(s.filter, s.options.seccomp->flags);
    if (listener && s.target) {
        send_descriptor(s.listener_sent.get(), listener.get());
        s.listener = std::move(listener);  // to close it is a call that may be asked about
    } else if (listener && s.agent) {
        send_to_seccomp_agent(s.agent.get(), s.agent_message, listener.get());
        s.agent = UniqueFd();
    }
}

void connect_to_agent(Start& s) {
    s.agent = connect_to_socket(s.options.seccomp_agent.socket, SOCK_STREAM);
    if (s.target) {
        ConsoleSockets way = make_console_sockets();
        s.listener_got = std::move(way.host);
        s.listener_sent = std::move(way.child);
    }
}

void tell_agent(Start& s) {
    const UniqueFd listener = receive_descriptor(s.listener_got.get());
    const pid_t pid = s.walk.child().pid();
    send_to_seccomp_agent(s.agent.get(),
                          seccomp_agent_message(pid, s.options.seccomp_agent.metadata,
                                                s.options.hook_state("running", pid)),
                          listener.get());
    s.agent = UniqueFd();
}

void write_agent_message(Start& s) {
    const pid_t pid = pid_on_host();
    s.agent_message = seccomp_agent_message(pid, s.options.seccomp_agent.metadata,
                                            s.options.hook_state("creating", pid));
}

void give_terminal(Start& s) {
    const UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    const PseudoTerminal terminal = open_pseudo_terminal(root.get(), s.options.terminal.size);
    if (!s.target) {
        bind_console(root.get(), terminal.peer.get());
    }
    send_descriptor(s.options.terminal.socket, terminal.master.get());
    use_as_standard_streams(terminal.peer.get());
}

void close_what_is_the_hosts(Start& s) {
    std::vector<int> keep = {0, 1, 2, s.options.start_gate, s.walk.meeting_descriptor()};
    if (s.agent && !s.target) {
        keep.push_back(s.agent.get());
    }
    if (s.listener_sent) {
        keep.push_back(s.listener_sent.get());
    }
    for (unsigned i = 0; i < s.options.command.preserved_fds; ++i) {
        keep.push_back(3 + static_cast<int>(i));
    }
    close_descriptors_but(keep);
}

// [region: await-start]
void await_start(Start& s) {
    s.walk.hand_over();
    while (true) {
        Meeting meeting = Meeting::over(UniqueFd(
            check(::accept4(s.options.start_gate, nullptr, nullptr, SOCK_CLOEXEC), "accept()")));
        // Who comes to start us may die before saying so; then the next one may.
        if (meeting.receive()) {
            s.walk.answer_to(std::move(meeting));
            return;
        }
    }
}
// [/region]

void run_create_hooks(Start& s) {
    const std::string state = s.options.hook_state("creating", s.walk.child().pid());
    run_hooks("prestart", s.options.hooks.prestart, state);
    run_hooks("createRuntime", s.options.hooks.create_runtime, state);
}

void run_container_hooks(Start& s) {
    run_hooks("createContainer", s.options.hooks.create_container,
              s.options.hook_state("creating", ::getpid()));
}

void run_start_hooks(Start& s) {
    run_hooks("startContainer", s.options.hooks.start_container,
              s.options.hook_state("created", ::getpid()));
}

void join_target(Start& s) {
    join_namespaces(s.target->pidfd, s.target->namespaces);
    if ((s.target->namespaces & CLONE_NEWUSER) != 0) {
        become_root_inside();
    }
}

}  // namespace drydock::stage03
