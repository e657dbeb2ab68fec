#include "shim_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

// Each costs a descriptor or a few; a shim has about a thousand.
constexpr std::size_t kMaxConnections = 256;
constexpr std::size_t kMaxClients = 256;

/// Someone who does not take our answer is not waited for.
void tell(const UniqueFd& socket, const ShimMessage& message) {
    try {
        if (socket) {
            send_message(socket.get(), message, {}, MSG_DONTWAIT);
        }
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): it is gone
    }
}

ShimMessage refusal(const std::exception& e, int error) {
    ShimMessage reply{.verb = Verb::Reply, .number = error};
    set_text(reply, e.what());
    return reply;
}

/// The socket's owner, or root: whoever else got hold of the path has no business here.
bool may_ask(int socket) {
    ucred peer{};
    socklen_t length = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == ::geteuid() || peer.uid == 0);
}

}  // namespace

ShimServer::ShimServer(UniqueFd listening, ServedContainer served)
    : listening_(std::move(listening)), served_(std::move(served)) {}

void ShimServer::add_interests(std::vector<Interest>& into) {
    if (listening_ && connections_.size() < kMaxConnections) {
        into.push_back({listening_.get(), POLLIN, [this](short) { accept_one(); }});
    }
    for (Connection& connection : connections_) {
        if (connection.socket) {
            into.push_back({connection.socket.get(), POLLIN,
                            [this, &connection](short) { serve(connection); }});
        }
        if (connection.exec) {
            connection.exec->add_interests(into);
        }
    }
}

void ShimServer::accept_one() {
    const int fd = ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    UniqueFd socket(fd);
    if (may_ask(fd)) {
        connections_.push_back({.socket = std::move(socket)});
    }
}

void ShimServer::serve(Connection& connection) {
    try {
        auto received = receive_message(connection.socket.get(), MSG_DONTWAIT);
        if (received) {
            answer(connection, std::move(*received));
        } else {
            connection.socket = UniqueFd();
        }
    } catch (const std::exception&) {
        // No message of ours: nothing more can be understood on this connection.
        connection.socket = UniqueFd();
    }
}

void ShimServer::answer(Connection& connection, ReceivedMessage received) {
    const bool of_exec = connection.exec != nullptr;
    const Verb verb = received.message.verb;
    try {
        do_for(connection, std::move(received));
        if (!of_exec && verb != Verb::Wait && verb != Verb::Exec) {
            tell(connection.socket, {});
        }
    } catch (const std::system_error& e) {
        if (!of_exec) {
            tell(connection.socket, refusal(e, e.code().value() == 0 ? EIO : e.code().value()));
        }
    } catch (const std::exception& e) {
        if (!of_exec) {
            tell(connection.socket, refusal(e, EINVAL));
        }
    }
}

void ShimServer::do_for(Connection& connection, ReceivedMessage received) {
    const ShimMessage& message = received.message;
    switch (message.verb) {
        case Verb::Attach:
            if (served_.streams.clients() >= kMaxClients) {
                throw InputError(
                    fmt::format("{} clients are attached; expected fewer", kMaxClients));
            }
            served_.streams.attach(attachment_of(message, std::move(received.fds)));
            break;
        case Verb::Resize:
            if (connection.exec) {
                connection.exec->resize(message.rows, message.columns);
            } else {
                served_.streams.resize(message.rows, message.columns);
            }
            break;
        case Verb::Signal:
            if (connection.exec) {
                connection.exec->signal(message.number);
            } else {
                served_.child.signal(message.number);
            }
            break;
        case Verb::Wait:
            connection.waits = true;
            break;
        case Verb::Exec:
            start_exec(connection, std::move(received));
            break;
        case Verb::Reply:
        case Verb::Start:
        case Verb::Ended:
            throw InputError("shim's socket: a message that only the shim may send");
    }
}

void ShimServer::start_exec(Connection& connection, ReceivedMessage received) {
    if (received.fds.empty() || connection.exec) {
        throw InputError("shim's socket: an exec without a process, or a second one");
    }
    UniqueFd process = std::move(received.fds.front());
    received.fds.erase(received.fds.begin());
    std::optional<Attachment> attachment;
    if ((received.message.flags & kFlagAttached) != 0) {
        attachment = attachment_of(received.message, std::move(received.fds));
    }
    connection.exec = std::make_unique<ShimExecution>(served_.place, std::move(process),
                                                      (received.message.flags & kFlagTerminal) != 0,
                                                      std::move(attachment));
    tell(connection.socket, {.verb = Verb::Reply, .value = connection.exec->pid()});
}

void ShimServer::after_turn() {
    for (Connection& connection : connections_) {
        const auto status = connection.exec ? connection.exec->ended() : std::nullopt;
        if (status) {
            // Told before the streams end: who sees their end may ask for the status at once.
            tell(connection.socket, {.verb = Verb::Ended, .value = *status});
            connection.exec->close();
            connection.exec.reset();
        }
    }
    std::erase_if(connections_, [](const Connection& connection) {
        return !connection.socket && !connection.exec;
    });
}

std::vector<pid_t> ShimServer::children(pid_t first) const {
    std::vector<pid_t> pids;
    if (first != 0) {
        pids.push_back(first);
    }
    for (const Connection& connection : connections_) {
        if (connection.exec && connection.exec->pid() != 0) {
            pids.push_back(connection.exec->pid());
        }
    }
    return pids;
}

void ShimServer::end() {
    listening_ = UniqueFd();
    for (Connection& connection : connections_) {
        if (connection.exec) {
            constexpr int kKilledByTheEnd = 128 + 9;
            tell(connection.socket, {.verb = Verb::Ended,
                                     .value = connection.exec->ended().value_or(kKilledByTheEnd)});
            connection.exec->close();
        }
    }
    connections_.clear();
}

}  // namespace drydock
