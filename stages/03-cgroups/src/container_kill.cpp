#include "03-cgroups/container_kill.hpp"

#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>

#include "01-chroot/error.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/record.hpp"

#include "process_signal.hpp"

namespace fs = std::filesystem;

namespace drydock {

int signal_number(const std::string& text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && number >= 0 &&
        number <= SIGRTMAX) {
        return number;
    }
    const std::string name = text.starts_with("SIG") ? text.substr(3) : text;
    for (int candidate = 1; candidate <= SIGRTMAX; ++candidate) {
        const char* known = ::sigabbrev_np(candidate);
        if (known != nullptr && name == known) {
            return candidate;
        }
    }
    throw InputError(fmt::format("signal \"{}\": expected a number or a name as in SIGTERM", text));
}

void kill_container(const fs::path& root, const std::string& id, int signal) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    const std::string_view status = status_of(state);
    if ((status != "running" && status != "created") || !signal_process(state.init, signal)) {
        throw InputError(fmt::format("container \"{}\" is {}: container not running", id,
                                     status == "creating" ? "creating" : "stopped"));
    }
    if (signal == SIGKILL) {
        // What is frozen (v1) does not even die.
        Cgroup cgroup = open_cgroup(state.cgroup);
        if (cgroup.frozen()) {
            cgroup.thaw();
        }
        cgroup.release();
    }
}

void kill_all_of_container(const fs::path& root, const std::string& id, int signal) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    if (state.boot_id != this_boot_id()) {
        throw InputError(fmt::format("container \"{}\" is stopped: container not running", id));
    }
    Cgroup cgroup = open_cgroup(state.cgroup);
    if (signal == SIGKILL) {
        cgroup.kill();
    } else {
        for (const pid_t pid : cgroup.pids()) {
            signal_process_in(cgroup, pid, signal);
        }
    }
    const bool none = !cgroup;
    cgroup.release();
    if (none && !signal_process(state.init, signal)) {
        throw InputError(fmt::format("container \"{}\" is stopped: container not running", id));
    }
}

}  // namespace drydock
