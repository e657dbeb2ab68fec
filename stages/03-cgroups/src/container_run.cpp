#include "03-cgroups/container_run.hpp"

#include <sys/socket.h>

#include <array>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/terminal_proxy.hpp"
#include "03-cgroups/container_delete.hpp"
#include "03-cgroups/container_start.hpp"
#include "03-cgroups/runtime_log.hpp"

#include "hook_process.hpp"
#include "prepared_container.hpp"

namespace drydock {
namespace {

stage03::Ended run_detached(const RunRequest& request) {
    create_container(request);
    try {
        start_container(request.root, request.id);
    } catch (...) {
        delete_container(request.root, request.id, Deletion::Forced);
        throw;
    }
    return {};
}

/// What cannot be removed keeps its state: `delete --force` finds it by that.
stage03::Ended finish_or_keep(stage03::Running& running, int exit_status, Record& record) {
    try {
        return stage03::finish(running, exit_status);
    } catch (...) {
        record.keep();
        throw;
    }
}

}  // namespace

stage03::Ended run_container(const RunRequest& request) {
    if (request.detach) {
        return run_detached(request);
    }
    PreparedContainer container = prepare_container(request);
    stage03::Options& options = container.bundle.options;
    if (!request.console_socket.empty()) {
        throw InputError("--console-socket: expected --detach with it");
    }
    ConsoleSockets console;
    if (options.terminal.wanted) {
        console = make_console_sockets();
        options.terminal.socket = console.child.get();
        options.terminal.size = size_of_own_terminal(options.terminal.size);
    }
    Record record = make_record(request, container);
    options.hook_state = hook_state_of(record.state());
    const std::unique_ptr<stage03::Running> running = stage03::start(options);
    warn_about(running->cgroup());
    record.running(*running);
    write_pid_file(request.pid_file, running->child().pid());
    const oci::Hooks& hooks = options.hooks;
    if (!hooks.poststart.empty()) {
        warn(run_late_hooks("poststart", hooks.poststart, state_json(record.state(), "running")));
    }
    const int exit_status = options.terminal.wanted
                                ? serve_terminal(running->child(), running->signals(),
                                                 receive_descriptor(console.host.get()))
                                : wait_and_forward(running->child(), running->signals());
    if (request.keep) {
        record.keep();
        running->cgroup().release();
        return {.exit_status = exit_status};
    }
    const stage03::Ended ended = finish_or_keep(*running, exit_status, record);
    record.remove();
    if (!hooks.poststop.empty()) {
        warn(run_late_hooks("poststop", hooks.poststop, state_json(record.state(), "stopped")));
    }
    say(oom_text(ended.exit_status, ended.oom_killed, options.limits));
    return ended;
}

}  // namespace drydock
