#include "03-cgroups/start_gate.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/meeting.hpp"

namespace drydock {
namespace {

/// sun_path holds 107 characters; a path through /proc stands for whatever the directory is called.
sockaddr_un gate_address(int container) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = fmt::format("/proc/self/fd/{}/{}", container, kStartGate);
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

UniqueFd gate_socket() {
    return UniqueFd(check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
                          "socket(AF_UNIX, SOCK_SEQPACKET)"));
}

}  // namespace

UniqueFd make_start_gate(int container) {
    UniqueFd socket = gate_socket();
    const sockaddr_un address = gate_address(container);
    check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind({})", kStartGate);
    check(::listen(socket.get(), 1), "listen({})", kStartGate);
    return socket;
}

void open_start_gate(int container, const std::string& id) {
    UniqueFd socket = gate_socket();
    const sockaddr_un address = gate_address(container);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
        -1) {
        throw InputError(fmt::format("container \"{}\": nobody waits to be started", id));
    }
    const Meeting meeting = Meeting::over(std::move(socket));
    meeting.send({.kind = Message::Kind::Turn});
    std::optional<Message> message = meeting.receive();
    bool ran = false;
    while (message && message->kind != Message::Kind::Error) {
        ran = ran || message->kind == Message::Kind::Exec;
        message = meeting.receive();
    }
    static_cast<void>(::unlinkat(container, kStartGate, 0));
    if (message) {
        throw SetupError(message->text, std::error_code(message->error, std::generic_category()),
                         message->exit_status);
    }
    if (!ran) {
        throw SetupError("the container's first process ended before its command",
                         std::make_error_code(std::errc::no_child_process), kSetupFailed);
    }
}

}  // namespace drydock
