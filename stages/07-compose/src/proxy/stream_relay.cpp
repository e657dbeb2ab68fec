#include "07-compose/proxy/stream_relay.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"
#include "07-compose/proxy/socket_address.hpp"

namespace drydock {
namespace {

constexpr int kAcceptAtOnce = 32;  // others wait too
constexpr int kCarryAtOnce = 16;
constexpr std::size_t kLittle = 4096;  ///< read at once when much is pending already
constexpr int kSynRetries = 3;         ///< about 15 s until a target is given up

void set_option(int socket, int level, int name, int value) {
    ::setsockopt(socket, level, name, &value, sizeof(value));  // better with it, fine without
}

/// It is closed with a reset, not with an orderly end.
void close_hard(UniqueFd socket) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool would_wait(int error) {
    return error == EAGAIN || error == EINTR;
}

}  // namespace

void StreamRelay::add(UniqueFd listener, const IpAddress& target, int port, int protocol) {
    const int flags = check(::fcntl(listener.get(), F_GETFL), "fcntl(F_GETFL)");
    check(::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK), "fcntl(O_NONBLOCK)");
    check(::listen(listener.get(), SOMAXCONN), "listen({})", listener.get());
    const WatchKey key = watched_.add(listener.get(), EPOLLIN);
    listeners_[key] = {
        .socket = std::move(listener), .target = target, .port = port, .protocol = protocol};
}

bool StreamRelay::serve(WatchKey key) {
    if (const auto listener = listeners_.find(key); listener != listeners_.end()) {
        accept_some(listener->second);
        return true;
    }
    const auto found = ends_.find(key);
    if (found == ends_.end()) {
        return false;
    }
    const std::shared_ptr<Connection> connection = found->second;
    if (connection->connecting) {
        int error = 0;
        socklen_t size = sizeof(error);
        ::getsockopt(connection->ends[1].socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            close(connection, true);
            return true;
        }
        connection->connecting = false;
    }
    if (!advance(*connection)) {
        close(connection, true);
    } else if (connection->ends[0].shut && connection->ends[1].shut) {
        close(connection, false);
    } else {
        watch_ends(*connection);
    }
    return true;
}

void StreamRelay::accept_some(const Listener& listener) {
    for (int i = 0; i < kAcceptAtOnce; ++i) {
        if (count_ >= kMostConnections) {
            let_in(false);
            return;
        }
        UniqueFd client(
            ::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                let_in(false);
            }
            return;
        }
        connect_to_target(std::move(client), listener);
    }
}

void StreamRelay::connect_to_target(UniqueFd client, const Listener& listener) {
    UniqueFd target(::socket(listener.target.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             listener.protocol));
    const SocketAddress address = socket_address(listener.target, listener.port);
    if (listener.protocol == IPPROTO_TCP) {
        set_option(target.get(), IPPROTO_TCP, TCP_SYNCNT, kSynRetries);
        for (const int socket : {client.get(), target.get()}) {
            set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
            set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
        }
    }
    if (::connect(target.get(), address.get(), address.length) == -1 && errno != EINPROGRESS) {
        close_hard(std::move(client));
        return;
    }
    auto connection = std::make_shared<Connection>();
    connection->ends[0].socket = std::move(client);
    connection->ends[1].socket = std::move(target);
    // Nothing is read from who came before the target has answered.
    connection->ends[0].key = watched_.add(connection->ends[0].socket.get(), EPOLLIN);
    watched_.remove(connection->ends[0].key);
    connection->ends[1].key = watched_.add(connection->ends[1].socket.get(), EPOLLOUT);
    for (const End& end : connection->ends) {
        ends_[end.key] = connection;
    }
    ++count_;
}

bool StreamRelay::flush(End& end) {
    while (!end.pending.empty()) {
        const auto sent =
            ::send(end.socket.get(), end.pending.data(), end.pending.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            return would_wait(errno);
        }
        pending_ -= static_cast<std::size_t>(sent);
        end.pending.erase(end.pending.begin(), end.pending.begin() + sent);
    }
    std::vector<std::uint8_t>().swap(end.pending);  // an idle connection holds no memory
    return true;
}

// [region: carry]
bool StreamRelay::carry(Connection& connection, std::size_t from) {
    End& in = connection.ends.at(from);
    End& out = connection.ends.at(1 - from);
    if (!flush(out)) {
        return false;
    }
    for (int i = 0; i < kCarryAtOnce && out.pending.empty() && !in.ended; ++i) {
        const std::size_t most = pending_ < kMostPending ? buffer_.size() : kLittle;
        const auto got = ::recv(in.socket.get(), buffer_.data(), most, 0);
        if (got < 0) {
            if (would_wait(errno)) {
                break;
            }
            return false;
        }
        in.ended = got == 0;
        const auto sent = got == 0 ? 0
                                   : ::send(out.socket.get(), buffer_.data(),
                                            static_cast<std::size_t>(got), MSG_NOSIGNAL);
        if (sent < 0 && !would_wait(errno)) {
            return false;
        }
        out.pending.assign(buffer_.begin() + std::max<ssize_t>(sent, 0), buffer_.begin() + got);
        pending_ += out.pending.size();
    }
    if (in.ended && out.pending.empty() && !out.shut) {
        ::shutdown(out.socket.get(), SHUT_WR);
        out.shut = true;
    }
    return true;
}
// [/region]

bool StreamRelay::advance(Connection& connection) {
    return carry(connection, 0) && carry(connection, 1);
}

void StreamRelay::watch_ends(Connection& connection) {
    for (std::size_t i = 0; i < connection.ends.size(); ++i) {
        const End& end = connection.ends.at(i);
        const bool wants_more = !end.ended && connection.ends.at(1 - i).pending.empty();
        watched_.change(end.key, (wants_more ? EPOLLIN : 0U) |
                                     (end.pending.empty() ? 0U : static_cast<unsigned>(EPOLLOUT)));
    }
}

void StreamRelay::close(const std::shared_ptr<Connection>& connection, bool broken) {
    for (End& end : connection->ends) {
        watched_.remove(end.key);
        ends_.erase(end.key);
        pending_ -= end.pending.size();
        if (broken) {
            close_hard(std::move(end.socket));
        }
        end.socket = UniqueFd();
    }
    --count_;
    let_in(true);
}

void StreamRelay::let_in(bool open) {
    if (open_ == open) {
        return;
    }
    open_ = open;
    for (const auto& [key, listener] : listeners_) {
        watched_.change(key, open ? static_cast<unsigned>(EPOLLIN) : 0U);
    }
}

void StreamRelay::tick() {
    let_in(count_ < kMostConnections);
}

}  // namespace drydock
