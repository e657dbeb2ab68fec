#include "07-compose/proxy/port_proxy.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "07-compose/proxy/datagram_relay.hpp"
#include "07-compose/proxy/fd_message.hpp"
#include "07-compose/proxy/stream_relay.hpp"
#include "07-compose/proxy/watch_list.hpp"

namespace drydock {
namespace {

constexpr int kTickMs = 1000;

}  // namespace

std::string to_message(const ProxyTarget& target) {
    return fmt::format("{} {} {}", target.protocol, to_text(target.address), target.port);
}

std::optional<ProxyTarget> parse_proxy_target(std::string_view message) {
    const auto first = message.find(' ');
    const auto last = message.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return std::nullopt;
    }
    ProxyTarget target{.protocol = std::string(message.substr(0, first))};
    const auto address = parse_ip_address(message.substr(first + 1, last - first - 1));
    const std::string_view port = message.substr(last + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
    const bool known =
        target.protocol == "tcp" || target.protocol == "udp" || target.protocol == "sctp";
    if (!known || !address || error != std::errc() || end != port.data() + port.size() ||
        target.port < 1 || target.port > 65535) {
        return std::nullopt;
    }
    target.address = *address;
    return target;
}

void tell_proxy(int control, std::string_view message, int fd) {
    send_fd_message(control, message, std::array{fd});
}

void run_port_proxy(UniqueFd control) {
    WatchList watched;
    StreamRelay streams(watched);
    DatagramRelay datagrams(watched);
    WatchKey control_key = watched.add(control.get(), EPOLLIN);
    UniqueFd life;
    WatchKey life_key = 0;
    // Whether there is a reason to go on.
    const auto listen_to_daemon = [&] {
        for (FdMessage message = receive_fd_message(control.get());
             message.kind != FdMessage::Kind::Nothing;
             message = receive_fd_message(control.get())) {
            const auto target = parse_proxy_target(message.text);
            const bool has_fd = message.fds.size() == 1;
            if (message.text == kProxyLife && has_fd) {
                life = std::move(message.fds.front());
                life_key = watched.add(life.get(), EPOLLIN);
            } else if (target && has_fd && target->protocol == "udp") {
                datagrams.add(std::move(message.fds.front()), target->address, target->port);
            } else if (target && has_fd) {
                streams.add(std::move(message.fds.front()), target->address, target->port,
                            target->protocol == "tcp" ? IPPROTO_TCP : IPPROTO_SCTP);
            } else {
                watched.remove(control_key);
                return static_cast<bool>(life);
            }
        }
        return true;
    };
    while (true) {
        std::array<epoll_event, 64> events{};
        const bool ticks = streams.waits() || datagrams.senders() > 0;  // else nothing wakes us
        const int count =
            ::epoll_wait(watched.fd(), events.data(), events.size(), ticks ? kTickMs : -1);
        check(count == -1 && errno == EINTR ? 0 : count, "epoll_wait()");
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events.at(static_cast<std::size_t>(i));
            const WatchKey key = event.data.u64;
            if (key == life_key || (key == control_key && !listen_to_daemon())) {
                return;
            }
            static_cast<void>(streams.serve(key) || datagrams.serve(key));
        }
        streams.tick();
        datagrams.tick();
    }
}

}  // namespace drydock
