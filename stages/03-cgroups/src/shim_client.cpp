#include "03-cgroups/shim_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

#include "shim_protocol.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

std::vector<int> lent(const std::vector<UniqueFd>& fds) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) {
        numbers.push_back(fd.get());
    }
    return numbers;
}

/// Sends a message and waits for its reply. @throws InputError with the shim's words
ShimMessage ask(int connection, const ShimMessage& message, const std::vector<UniqueFd>& fds = {}) {
    const InputError ended("the container's shim has ended");
    std::optional<ReceivedMessage> reply;
    try {
        send_message(connection, message, lent(fds));
        reply = receive_message(connection);
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::broken_pipe || e.code() == std::errc::connection_reset) {
            throw ended;
        }
        throw;
    }
    if (!reply) {
        throw ended;
    }
    if (reply->message.number != 0) {
        throw InputError(text_of(reply->message));
    }
    return reply->message;
}

ShimMessage size_message(unsigned rows, unsigned columns) {
    constexpr unsigned kMost = 65535;
    return {.verb = Verb::Resize,
            .rows = static_cast<std::uint16_t>(std::min(rows, kMost)),
            .columns = static_cast<std::uint16_t>(std::min(columns, kMost))};
}

}  // namespace

void shim_attach(const fs::path& bundle, Attachment attachment) {
    const UniqueFd connection = connect_to_shim(bundle);
    const OutgoingMessage out = attach_message(std::move(attachment));
    ask(connection.get(), out.message, out.fds);
}

void shim_resize(const fs::path& bundle, unsigned rows, unsigned columns) {
    ask(connect_to_shim(bundle).get(), size_message(rows, columns));
}

void shim_signal(const fs::path& bundle, int number) {
    ask(connect_to_shim(bundle).get(), {.verb = Verb::Signal, .number = number});
}

UniqueFd shim_wait(const fs::path& bundle) {
    UniqueFd connection = connect_to_shim(bundle);
    send_message(connection.get(), {.verb = Verb::Wait});
    return connection;
}

std::optional<int> ShimExec::exit_status() {
    if (status_) {
        return status_;
    }
    try {
        const auto message = receive_message(connection_.get(), MSG_DONTWAIT);
        status_ = message && message->message.verb == Verb::Ended ? message->message.value
                                                                  : 128 + SIGKILL;
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::resource_unavailable_try_again) {
            status_ = 128 + SIGKILL;
        }
    }
    return status_;
}

int ShimExec::wait() {
    while (!exit_status()) {
        pollfd event{.fd = connection_.get(), .events = POLLIN, .revents = 0};
        check(::poll(&event, 1, -1) == -1 && errno != EINTR ? -1 : 0, "poll(end of an exec)");
    }
    return *status_;
}

void ShimExec::resize(unsigned rows, unsigned columns) {
    send_message(connection_.get(), size_message(rows, columns));
}

void ShimExec::signal(int number) {
    send_message(connection_.get(), {.verb = Verb::Signal, .number = number});
}

ShimExec shim_exec(const fs::path& bundle, ShimExecRequest request) {
    UniqueFd connection = connect_to_shim(bundle);
    OutgoingMessage out;
    if (request.attachment) {
        out = attach_message(std::move(*request.attachment));
        out.message.flags |= kFlagAttached;
    }
    out.message.verb = Verb::Exec;
    out.message.flags |= request.terminal ? kFlagTerminal : 0U;
    out.fds.insert(out.fds.begin(), memory_file(request.process));
    const ShimMessage reply = ask(connection.get(), out.message, out.fds);
    return {std::move(connection), reply.value};
}

}  // namespace drydock
