#include "03-cgroups/container_start.hpp"

#include "01-chroot/error.hpp"
#include "03-cgroups/oci_config.hpp"
#include "03-cgroups/record.hpp"
#include "03-cgroups/runtime_log.hpp"
#include "03-cgroups/start_gate.hpp"

#include "hook_process.hpp"
#include "saved_config.hpp"

namespace drydock {

void start_container(const std::filesystem::path& root, const std::string& id) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    if (const std::string_view status = full_status(state); status != "created") {
        throw InputError(fmt::format(
            "container \"{}\": cannot start a container that is {}; expected one that was created",
            id, status));
    }
    open_start_gate(lock.directory(), id);
    warn(run_late_hooks("poststart", saved_config(lock.directory(), state).hooks.poststart,
                        state_json(state, "running")));
}

}  // namespace drydock
