#include "prepared_container.hpp"

#include <sys/socket.h>

#include <charconv>
#include <cstdlib>

#include "01-chroot/descriptors.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/terminal.hpp"
#include "03-cgroups/runtime_log.hpp"

namespace drydock {
namespace {

/// Those of a caller who hands listening sockets on, sd_listen_fds(3).
unsigned listen_descriptors() {
    const char* text = std::getenv("LISTEN_FDS");  // NOLINT(concurrency-mt-unsafe): one thread
    unsigned count = 0;
    if (text != nullptr) {
        const std::string_view number = text;
        std::from_chars(number.data(), number.data() + number.size(), count);
    }
    return count;
}

void preserve_descriptors(unsigned asked, Command& command) {
    const unsigned listening = listen_descriptors();
    command.preserved_fds = asked + listening;
    check_preserved_descriptors(command.preserved_fds);
    if (listening > 0) {
        command.env.push_back(fmt::format("LISTEN_FDS={}", listening));
        command.env.emplace_back("LISTEN_PID=1");
    }
}

}  // namespace

PreparedContainer prepare_container(const CreateRequest& request) {
    check_container_id(request.id);
    PreparedContainer container{.bundle =
                                    load_bundle(request.bundle, request.id, request.config_file)};
    for (const std::string& warning : container.bundle.warnings) {
        warn(warning);
    }
    stage03::Options& options = container.bundle.options;
    options.walk = request.walk;
    preserve_descriptors(request.preserve_fds, options.command);
    if (request.new_keyring) {
        options.keyring = keyring_name(request.id);
    }
    return container;
}

void warn_about(const Cgroup& cgroup) {
    for (const std::string& warning : cgroup.warnings()) {
        warn(warning);
    }
}

Record make_record(const CreateRequest& request, const PreparedContainer& container) {
    const Bundle& bundle = container.bundle;
    return {request.root, NewContainer{.id = request.id,
                                       .bundle = bundle.directory,
                                       .rootfs = bundle.options.rootfs.directory,
                                       .cgroup_path = bundle.options.cgroup_path,
                                       .annotations = bundle.annotations,
                                       .config = bundle.config_text}};
}

std::function<std::string(std::string_view, pid_t)> hook_state_of(const ContainerState& state) {
    return [state](std::string_view status, pid_t pid) {
        ContainerState now = state;
        now.init.pid = pid;
        return state_json(now, status);
    };
}

UniqueFd console_of(bool terminal, const std::filesystem::path& console_socket) {
    if (terminal && console_socket.empty()) {
        throw InputError(
            "config.json: /process/terminal: expected --console-socket with it, or a container "
            "that runs in the foreground");
    }
    if (!terminal && !console_socket.empty()) {
        throw InputError(
            "--console-socket: expected \"terminal\": true in the process, and no foreground run");
    }
    return terminal ? connect_to_socket(console_socket, SOCK_STREAM) : UniqueFd();
}

}  // namespace drydock
