// Ports of the host for a daemon in namespaces of its own: asked for inside, bound outside.
#include "api/rootless_ports.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "07-compose/api/rootless.hpp"
#include "07-compose/proxy/fd_message.hpp"
#include "07-compose/proxy/port_proxy.hpp"

namespace drydock {

BindPort bind_outside(int outer) {
    const auto mutex = std::make_shared<std::mutex>();
    return [outer, mutex](const PublishedPort& port) -> std::pair<UniqueFd, int> {
        const std::lock_guard lock(*mutex);
        // Written as a proxy's target is: protocol, address, port.
        send_fd_message(
            outer,
            to_message(
                {.protocol = port.protocol, .address = port.host_address, .port = port.host_port}),
            {});
        pollfd event{.fd = outer, .events = POLLIN, .revents = 0};
        while (::poll(&event, 1, -1) == -1 && errno == EINTR) {
        }
        FdMessage answer = receive_fd_message(outer);
        int error = EPIPE;
        std::from_chars(answer.text.data(), answer.text.data() + answer.text.size(), error);
        return {answer.fds.empty() ? UniqueFd() : std::move(answer.fds.front()), error};
    };
}

bool serve_port_request(int socket) {
    const FdMessage request = receive_fd_message(socket);
    if (request.kind == FdMessage::Kind::Nothing) {
        return true;
    }
    const auto wanted = parse_proxy_target(request.text);
    if (!wanted) {
        return false;
    }
    const auto [bound, error] = bind_here(
        {.protocol = wanted->protocol, .host_address = wanted->address, .host_port = wanted->port});
    try {
        if (bound) {
            send_fd_message(socket, std::to_string(error), std::array{bound.get()});
        } else {
            send_fd_message(socket, std::to_string(error), {});
        }
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

}  // namespace drydock
