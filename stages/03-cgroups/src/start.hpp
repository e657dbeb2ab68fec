#pragma once

// What the rows of this stage's two tables (run.cpp) work with, and those of their bodies that are
// more than one call.

#include <linux/filter.h>

#include <optional>
#include <string>
#include <vector>

#include "01-chroot/walk.hpp"
#include "02-namespaces/terminal.hpp"
#include "03-cgroups/run.hpp"

namespace drydock::stage03 {

/// The options, and what is worked out from them once, before the first step.
struct Start final : Running {
    explicit Start(const Options& from);
    ~Start() override;
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;
    Start(Start&&) = delete;
    Start& operator=(Start&&) = delete;

    [[nodiscard]] Child& child() override { return walk.child(); }
    [[nodiscard]] Cgroup& cgroup() override { return group; }
    [[nodiscard]] const BlockedSignals& signals() override { return walk.signals(); }
    void let_go() noexcept override;
    [[nodiscard]] bool has_new(std::uint64_t flag) const {
        return (options.namespaces & flag) != 0;
    }

    [[nodiscard]] bool joins(std::uint64_t flag) const;

    /// Moving into a group of cgroup v2 waits for every CPU; being cloned into it does not.
    [[nodiscard]] bool is_born_inside() const {
        return group.clone_fd() >= 0 && !walk.skips("join-cgroup");
    }

    Options options;
    std::optional<Target> target{};  ///< of an exec: whose namespaces and group are joined
    std::vector<sock_filter> filter{};
    User user{};
    std::vector<UniqueFd> prepared_mounts{};
    UniqueFd agent{};             ///< a connection to the seccomp agent, where there is one
    std::string agent_message{};  ///< what it is told
    UniqueFd listener_sent{};     ///< of an exec: the child's end, by which the listener comes
    UniqueFd listener_got{};      ///< ... to the host, who knows the child's last pid
    UniqueFd listener{};          ///< in the child, until execve closes it
    Cgroup group{};
    Walk walk;  // last, so first to go: the container ends before what it uses does
};

void make_group_with_limits(Start& s);
void clone_into_namespaces(Start& s);
void set_id_maps(Start& s);
void join_others(Start& s);
/// In a user namespace that was joined: the container's new namespaces, which belong to it.
void make_namespaces_inside(Start& s);
void switch_user(Start& s);
CapabilitySet bound_of(const Start& s);
Capabilities wanted_capabilities(const Start& s);
/// Without no_new_privs only a process with CAP_SYS_ADMIN may load a filter: then it is loaded
/// before that is given up, else last, so that fewer calls of ours have to be in its list.
void load_filter(Start& s, bool early);

void connect_to_agent(Start& s);
/// While /proc is the host's: it knows us by the pid that we have there.
void write_agent_message(Start& s);
/// Of an exec: the listener comes from the child and goes to the agent. The host does it, because
/// the child does not know its pid on the host once it is in the container, and must not wait for
/// anything between its filter and the agent's having the listener: that may be asked about.
void tell_agent(Start& s);

/// The terminal of the container is the command's; its other end goes to who asked for it.
void give_terminal(Start& s);
/// What the host opened is closed, but for what the steps to come and the command need.
void close_what_is_the_hosts(Start& s);
/// All is done but the command; the rest follows when somebody connects to the gate and says so.
void await_start(Start& s);

void run_create_hooks(Start& s);
void run_container_hooks(Start& s);
void run_start_hooks(Start& s);

void join_target(Start& s);

}  // namespace drydock::stage03
