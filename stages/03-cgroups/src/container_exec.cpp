#include "03-cgroups/container_exec.hpp"

#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "01-chroot/child.hpp"
#include "01-chroot/descriptors.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/terminal_proxy.hpp"
#include "03-cgroups/bundle.hpp"
#include "03-cgroups/record.hpp"
#include "03-cgroups/runtime_log.hpp"

#include "prepared_container.hpp"
#include "saved_config.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::array<std::pair<const char*, std::uint64_t>, 8> kNamespaceFiles = {{
    {"cgroup", CLONE_NEWCGROUP},
    {"ipc", CLONE_NEWIPC},
    {"mnt", CLONE_NEWNS},
    {"net", CLONE_NEWNET},
    {"pid", CLONE_NEWPID},
    {"time", CLONE_NEWTIME},
    {"user", CLONE_NEWUSER},
    {"uts", CLONE_NEWUTS},
}};

/// Those of process `pid` that are not ours: setns(2) refuses our own user namespace.
std::uint64_t foreign_namespaces(pid_t pid) {
    std::uint64_t flags = 0;
    for (const auto& [name, flag] : kNamespaceFiles) {
        struct stat ours{};
        struct stat theirs{};
        const bool both = ::stat(fmt::format("/proc/self/ns/{}", name).c_str(), &ours) == 0 &&
                          ::stat(fmt::format("/proc/{}/ns/{}", pid, name).c_str(), &theirs) == 0;
        if (both && (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)) {
            flags |= flag;
        }
    }
    return flags;
}

std::uint32_t id_of(std::string_view text, std::string_view user) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        id == UINT32_MAX) {
        throw InputError(fmt::format("--user {}: expected UID[:GID], numbers to 4294967294", user));
    }
    return id;
}

void add_capabilities(const std::vector<std::string>& names, oci::Process& process) {
    oci::Capabilities sets = process.capabilities.value_or(oci::Capabilities());
    for (const std::string& name : names) {
        for (auto* set : {&sets.bounding, &sets.permitted, &sets.effective}) {
            set->push_back(name);
        }
    }
    process.capabilities = sets;
}

/// The container's own process, with what the request says instead.
oci::Process changed_process(const ExecRequest& request, oci::Process process) {
    if (request.args.empty()) {
        throw InputError("exec: expected a command after the container's ID, or --process FILE");
    }
    process.args = request.args;
    process.terminal = request.terminal;
    process.env.insert(process.env.end(), request.env.begin(), request.env.end());
    process.cwd = request.cwd.value_or(process.cwd.empty() ? "/" : process.cwd);
    if (!request.user.empty()) {
        const std::string_view user = request.user;
        const auto colon = user.find(':');
        process.user = {.uid = id_of(user.substr(0, colon), user)};
        if (colon != std::string_view::npos) {
            process.user.gid = id_of(user.substr(colon + 1), user);
        }
    }
    if (!request.additional_gids.empty()) {
        process.user.additional_gids = request.additional_gids;
    }
    if (!request.capabilities.empty()) {
        add_capabilities(request.capabilities, process);
    }
    process.no_new_privileges = process.no_new_privileges || request.no_new_privs;
    return process;
}

oci::Process process_of(const ExecRequest& request, const oci::Config& config) {
    if (request.process_file.empty() && request.process_text.empty()) {
        return changed_process(request, config.process);
    }
    const std::string text = request.process_file.empty()
                                 ? request.process_text
                                 : read_file(request.process_file, oci::kMaxConfigBytes);
    oci::ReadProcess read = oci::parse_process(
        text, request.process_file.empty() ? "process" : request.process_file.native());
    for (const std::string& warning : read.warnings) {
        warn(warning);
    }
    read.process.terminal = read.process.terminal || request.terminal;
    return std::move(read.process);
}

ContainerState state_for_exec(const ExecRequest& request) {
    ContainerState state = load_state(request.root, request.id);
    const std::string_view status = full_status(state);
    if (status != "running" && status != "created" &&
        !(status == "paused" && request.ignore_paused)) {
        throw InputError(
            fmt::format("container \"{}\" is {}; expected one that runs{}", request.id,
                        status == "stopped" ? "stopped: container not running" : status,
                        status == "paused" ? ", or --ignore-paused" : ""));
    }
    return state;
}

struct PreparedExec {
    stage03::Options options{};
    stage03::Target target{};
    UniqueFd pidfd{};
    UniqueFd console{};
};

PreparedExec prepare_exec(const ExecRequest& request) {
    const ContainerLock lock(request.root, request.id);
    const ContainerState state = state_for_exec(request);
    const oci::Config config = saved_config(lock.directory(), state);
    PreparedExec exec{.options = options_from_process(process_of(request, config)),
                      .pidfd = open_pidfd(state.init.pid)};
    stage03::Options& options = exec.options;
    if (config.linux_.seccomp) {
        set_seccomp(*config.linux_.seccomp, options);
        options.hook_state = [text = state_json(state)](std::string_view, pid_t) { return text; };
    }
    options.walk = request.walk;
    options.keyring = keyring_name(request.id);
    options.detached = request.detach;
    options.command.preserved_fds = request.preserve_fds;
    check_preserved_descriptors(request.preserve_fds);
    exec.target = {.pidfd = exec.pidfd.get(),
                   .namespaces = foreign_namespaces(state.init.pid),
                   .cgroup = state.cgroup};
    if (!options.seccomp_agent.socket.empty() && !options.no_new_privs &&
        (exec.target.namespaces & CLONE_NEWPID) != 0) {
        // The filter is loaded before the process has the pid that the agent has to be told.
        throw NotImplemented(
            "exec without noNewPrivileges in a container with linux.seccomp.listenerPath");
    }
    if (request.console_fd >= 0) {
        options.terminal.socket = request.console_fd;
    } else if (request.detach || !request.console_socket.empty()) {
        exec.console = console_of(options.terminal.wanted, request.console_socket);
        options.terminal.socket = exec.console.get();
    }
    // After all of /proc/PID was read: it may have been a later process's else.
    if (!exec.pidfd || !alive(state.init)) {
        throw InputError(
            fmt::format("container \"{}\" is stopped: container not running", request.id));
    }
    return exec;
}

}  // namespace

int exec_in_container(const ExecRequest& request) {
    PreparedExec exec = prepare_exec(request);
    stage03::Options& options = exec.options;
    ConsoleSockets console;
    const bool proxied = options.terminal.wanted && options.terminal.socket < 0;
    if (proxied) {
        console = make_console_sockets();
        options.terminal.socket = console.child.get();
        options.terminal.size = size_of_own_terminal(options.terminal.size);
    }
    const std::unique_ptr<stage03::Running> running = stage03::start_in(exec.target, options);
    write_pid_file(request.pid_file, running->child().pid());
    if (request.detach) {
        running->let_go();
        return 0;
    }
    return proxied ? serve_terminal(running->child(), running->signals(),
                                    receive_descriptor(console.host.get()))
                   : wait_and_forward(running->child(), running->signals());
}

}  // namespace drydock
