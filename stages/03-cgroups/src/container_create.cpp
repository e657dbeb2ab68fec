#include "03-cgroups/container_create.hpp"

#include <sys/socket.h>

#include "01-chroot/error.hpp"
#include "02-namespaces/terminal.hpp"
#include "03-cgroups/record.hpp"
#include "03-cgroups/start_gate.hpp"

#include "prepared_container.hpp"

namespace drydock {

void create_container(const CreateRequest& request) {
    PreparedContainer container = prepare_container(request);
    stage03::Options& options = container.bundle.options;
    const UniqueFd console = console_of(options.terminal.wanted, request.console_socket);
    options.terminal.socket = console.get();
    Record record = make_record(request, container);
    options.hook_state = hook_state_of(record.state());
    const UniqueFd gate = make_start_gate(record.directory());
    options.start_gate = gate.get();
    const std::unique_ptr<stage03::Running> running = stage03::start(options);
    warn_about(running->cgroup());
    record.created(*running);
    write_pid_file(request.pid_file, running->child().pid());
    record.keep();
    running->let_go();
}

}  // namespace drydock
