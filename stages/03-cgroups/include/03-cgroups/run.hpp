#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/exec_command.hpp"
#include "01-chroot/walk.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/dev.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/mount.hpp"
#include "02-namespaces/process_attributes.hpp"
#include "02-namespaces/rlimits.hpp"
#include "02-namespaces/rootfs.hpp"
#include "02-namespaces/seccomp_profile.hpp"
#include "02-namespaces/terminal.hpp"
#include "02-namespaces/time_namespace.hpp"
#include "02-namespaces/user.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/devices.hpp"
#include "03-cgroups/limits.hpp"
#include "03-cgroups/oci_config.hpp"

namespace drydock::stage03 {

/// A namespace that is there already.
struct JoinedNamespace {
    std::filesystem::path path{};  ///< "/proc/PID/ns/net", or where it is bound
    std::uint64_t flag = 0;        ///< CLONE_NEW*
};

/// What the command's standard streams are when they are a terminal of the container's own.
struct Terminal {
    bool wanted = false;
    int socket = -1;  ///< lent; the terminal's other end is sent there (receive_descriptor())
    TerminalSize size{};
};

/// Who decides about the calls that a filter leaves to somebody else (SCMP_ACT_NOTIFY).
struct SeccompAgent {
    std::filesystem::path socket{};  ///< it listens there; "": nobody
    std::string metadata{};          ///< for it
};

/// Where one more process in a container runs, as cpuset(7) writes it; "": as it is.
struct ExecCpus {
    std::string initial{};  ///< until it is in the container's group
    std::string final_{};   ///< from then on
};

/// All there is to know about one start: what drydock-03 fills from its flags and drydock-runtime
/// and drydock-shim from config.json (options_from in bundle.hpp).
struct Options {
    Rootfs rootfs{};
    Command command{};
    WalkOptions walk{};

    std::uint64_t namespaces = 0;  ///< CLONE_NEW* of the new ones
    std::vector<JoinedNamespace> joined{};
    std::uint64_t own_namespaces = 0;          ///< CLONE_NEW* of those that are not the host's
    IdMaps id_maps{};                          ///< of a new user namespace
    std::vector<ClockOffset> clock_offsets{};  ///< of a new time namespace
    std::string hostname{};
    std::string domainname{};
    unsigned long propagation = 0;  ///< of "/": MS_SHARED, …, also with MS_REC; 0: private
    bool follows_host = false;  ///< what the host mounts later is seen below volumes all the same
    std::vector<MountSpec> mounts{};
    bool own_dev = true;  ///< /dev is the container's, not bound from elsewhere
    std::vector<DeviceNode> devices{};
    std::vector<std::string> masked_paths{};
    std::vector<std::string> readonly_paths{};
    std::map<std::string, std::string> sysctl{};  ///< "net.ipv4.ip_forward" to its value

    std::string cgroup_path{};  ///< as for make_cgroup()
    Limits limits{};
    std::vector<DeviceRule> device_rules{};  ///< empty: every device that a node can be had of

    std::string user_name{};  ///< looked up inside the root as find_user() does, instead of `user`
    User user{};
    std::optional<mode_t> umask{};
    std::vector<Rlimit> rlimits{};
    std::optional<Capabilities> capabilities{};  ///< none: those for the user, of `capability_set`
    CapabilitySet capability_set = kDefaultCapabilities;
    std::optional<SeccompProfile> seccomp{};
    SeccompAgent seccomp_agent{};
    ExecCpus exec_cpus{};
    ProcessAttributes attributes{};
    bool no_new_privs = false;
    bool make_workdir = false;  ///< when it is missing
    bool init = false;          ///< PID 1 is ours and the command PID 2
    std::string keyring{};      ///< the name of the session's own keyring; "": that of the caller
    Terminal terminal{};

    oci::Hooks hooks{};  ///< those of the start; "poststart" and "poststop" are the caller's
    /// The state that hooks get, as JSON; may not be empty when there are hooks.
    std::function<std::string(std::string_view status, pid_t pid)> hook_state{};

    /// A listening socket, lent: the command waits until somebody lets it go there
    /// (start_gate.hpp), and start() returns when it does. -1: it runs at once.
    int start_gate = -1;
    bool detached = false;  ///< of start_in(): the command outlives the caller
};

/// A container that one more process is to be started in.
struct Target {
    int pidfd = -1;                ///< of a process of it, lent
    std::uint64_t namespaces = 0;  ///< CLONE_NEW* of those of it that are not the caller's
    GroupPlace cgroup{};
};

/// How a command ended.
struct Ended {
    int exit_status = 0;
    bool oom_killed = false;  ///< the kernel killed a process of its group for want of memory
};

/// A container whose command runs. The destructor kills it and removes its cgroup.
class Running {
  public:
    Running() = default;
    virtual ~Running() = default;
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    Running(Running&&) = delete;
    Running& operator=(Running&&) = delete;

    [[nodiscard]] virtual Child& child() = 0;
    [[nodiscard]] virtual Cgroup& cgroup() = 0;
    [[nodiscard]] virtual const BlockedSignals& signals() = 0;
    /// What waits at the start gate, or was started detached, lives on without us, and its cgroup
    /// with it.
    virtual void let_go() noexcept = 0;
};

/// Walks the table: returns when the command runs. The calling process must have one thread.
/// @throws SetupError, InputError; nothing runs any more and nothing is left behind then
std::unique_ptr<Running> start(const Options& options);

/// Runs one more process in a container: in its namespaces and its group. Of `options` only what is
/// a process's counts.
std::unique_ptr<Running> start_in(const Target& target, const Options& options);

/// Ends what the command left behind in its cgroup, and the cgroup.
/// @param exit_status that of the command, which has been waited for
Ended finish(Running& running, int exit_status);

/// Runs the command and waits for it, passing signals on.
/// @param when_running for those who keep a record of what runs
Ended run(const Options& options, const std::function<void(Running&)>& when_running = {});

}  // namespace drydock::stage03
