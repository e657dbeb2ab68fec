#include "shim_streams.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/descriptors.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPiece = 65536;
constexpr std::size_t kInputPiece = 16384;
constexpr std::chrono::minutes kLastDelivery{10};
/// Two full pipes are less. More comes only from a process that outlived the command's group.
constexpr std::size_t kMostLastOutput = 1 << 20;

/// One for all: the shim has one thread. Its pages exist from the first output on only.
std::array<char, kPiece>
    piece_buffer;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void set_nonblocking(const UniqueFd& fd) {
    if (fd) {
        const int flags = check(::fcntl(fd.get(), F_GETFL), "fcntl(F_GETFL)");
        check(::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL, O_NONBLOCK)");
    }
}

std::array<char, 8> frame_head(std::size_t length, bool is_err) {
    const auto size = static_cast<std::uint32_t>(length);
    const auto byte = [&](unsigned shift) { return static_cast<char>((size >> shift) & 0xFFU); };
    return {static_cast<char>(is_err ? 2 : 1), 0, 0, 0, byte(24), byte(16), byte(8), byte(0)};
}

/// Sends head and body as far as there is room. @return the bytes that were taken; -1 when the
/// client is gone
ssize_t send_now(int socket, std::string_view head, std::string_view body) {
    std::array<iovec, 2> parts{
        {{.iov_base = const_cast<char*>(head.data()), .iov_len = head.size()},
         {.iov_base = const_cast<char*>(body.data()), .iov_len = body.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == -1 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) ? 0 : sent;
}

using Rests = std::vector<std::pair<int, std::string>>;

/// Gives each client the rest of what is its, for a while.
void deliver(Rests rests) noexcept {
    const auto end = ShimClock::now() + kLastDelivery;
    while (!rests.empty() && ShimClock::now() < end) {
        std::vector<pollfd> events;
        events.reserve(rests.size());
        for (const auto& [socket, rest] : rests) {
            events.push_back({.fd = socket, .events = POLLOUT, .revents = 0});
        }
        constexpr int kTurnMs = 1000;
        ::poll(events.data(), events.size(), kTurnMs);
        for (std::size_t i = 0; i < rests.size(); ++i) {
            auto& [socket, rest] = rests[i];
            const ssize_t sent = send_now(socket, rest, {});
            const bool gone = sent < 0 || (events[i].revents & (POLLHUP | POLLERR)) != 0;
            rest.erase(0, gone ? rest.size() : static_cast<std::size_t>(sent));
            if (rest.empty()) {
                ::close(socket);
            }
        }
        std::erase_if(rests, [](const auto& one) { return one.second.empty(); });
    }
}

/// The same in a process of its own, so that nobody waits for the shim's end meanwhile.
void deliver_behind(Rests rests) {
    Child deliverer = clone_child(0);
    if (deliverer) {
        deliverer.release();
        return;
    }
    std::vector<int> kept;
    kept.reserve(rests.size());
    for (const auto& [socket, rest] : rests) {
        kept.push_back(socket);
    }
    close_descriptors_but(kept);
    deliver(std::move(rests));
    ::_exit(0);
}

}  // namespace

bool DetachKeys::scan(std::string_view typed, std::string& input) {
    if (keys_.empty()) {
        input += typed;
        return false;
    }
    for (const char c : typed) {
        if (c == keys_[matched_]) {
            if (++matched_ == keys_.size()) {
                return true;
            }
            continue;
        }
        input.append(keys_, 0, std::exchange(matched_, 0));
        if (c == keys_.front()) {
            matched_ = 1;
        } else {
            input += c;
        }
    }
    return false;
}

Streams::Streams(StreamEnds ends, StreamRules rules)
    : in_(std::move(ends.in)),
      outputs_{
          Output{.fd = std::move(ends.out), .lines = LogLines(Stream::Stdout)},
          Output{.fd = std::move(ends.err), .lines = LogLines(Stream::Stderr), .is_err = true}},
      rules_(rules),
      terminal_(ends.terminal) {
    set_nonblocking(in_);
    set_nonblocking(outputs_[0].fd);
    set_nonblocking(outputs_[1].fd);
}

void Streams::attach(Attachment attachment) {
    Client& client =
        clients_.emplace_back(Client{.socket = std::move(attachment.socket),
                                     .in = attachment.in,
                                     .out = attachment.out,
                                     .err = attachment.err,
                                     .framed = attachment.framed,
                                     .keys = DetachKeys(std::move(attachment.detach_keys))});
    if (client.in && client.keys.scan(attachment.already_read, input_)) {
        client.detached = true;
    }
}

void Streams::set_terminal(UniqueFd master) {
    set_nonblocking(master);
    in_ = UniqueFd(check(::fcntl(master.get(), F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)"));
    outputs_[0].fd = std::move(master);
    terminal_ = true;
    write_input();
}

void Streams::resize(unsigned short rows, unsigned short columns) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    if (!terminal_) {
        errno = ENOTTY;
    }
    check(terminal_ ? ::ioctl(outputs_[0].fd.get(), TIOCSWINSZ, &size) : -1,
          "ioctl(terminal, TIOCSWINSZ, rows={}, columns={})", rows, columns);
}

bool Streams::holds(const Client& client) const {
    return !command_ended_ && !client.backlog.empty() && client.left_out == 0 &&
           (!rules_.hold || ShimClock::now() < client.full_since + *rules_.hold);
}

bool Streams::held() const {
    return std::ranges::any_of(clients_, [&](const Client& client) { return holds(client); });
}

bool Streams::takes_input(const Client& client) const {
    return client.in && in_ && input_.empty();
}

std::optional<ShimClock::time_point> Streams::deadline() const {
    std::optional<ShimClock::time_point> first;
    for (const Client& client : clients_) {
        if (rules_.hold && holds(client)) {
            const auto end = client.full_since + *rules_.hold;
            first = first ? std::min(*first, end) : end;
        }
    }
    return first;
}

bool Streams::quiet() const {
    std::array<pollfd, 2> events{{{.fd = outputs_[0].fd.get(), .events = POLLIN, .revents = 0},
                                  {.fd = outputs_[1].fd.get(), .events = POLLIN, .revents = 0}}};
    return ::poll(events.data(), events.size(), 0) == 0;
}

void Streams::add_interests(std::vector<Interest>& into) {
    sweep();
    const bool reading = !held();
    for (Output& output : outputs_) {
        if (output.fd && reading) {
            into.push_back(
                {output.fd.get(), POLLIN, [this, &output](short) { read_output(output); }});
        }
    }
    if (in_ && !input_.empty()) {
        into.push_back({in_.get(), POLLOUT, [this](short) { write_input(); }});
    }
    for (Client& client : clients_) {
        // One that hung up is only waited with until the command has taken its input: a poll would
        // say so again and again.
        if (client.hung_up && !takes_input(client)) {
            continue;
        }
        const auto events = static_cast<short>((takes_input(client) ? POLLIN : 0) |
                                               (client.backlog.empty() ? 0 : POLLOUT));
        into.push_back(
            {client.socket.get(), events, [this, &client](short what) { serve(client, what); }});
    }
}

// [region: read-output]
void Streams::read_output(Output& output) {
    const ssize_t n = ::read(output.fd.get(), piece_buffer.data(), piece_buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (n <= 0) {  // the end; EIO is a terminal's
        output.fd = UniqueFd();
        return;
    }
    const std::string_view bytes(piece_buffer.data(), static_cast<std::size_t>(n));
    // The log first: it is what a client that was left out can turn to.
    if (rules_.log != nullptr) {
        std::string entries;
        output.lines.add(bytes, entries);
        rules_.log->append(entries);
    }
    for (Client& client : clients_) {
        if (output.is_err ? client.err : client.out) {
            pass_on(client, bytes, output.is_err);
        }
    }
}
// [/region]

void Streams::pass_on(Client& client, std::string_view bytes, bool is_err) const {
    const auto head = frame_head(bytes.size(), is_err);
    const std::string_view shown_head(head.data(), client.framed ? head.size() : 0);
    if (!client.backlog.empty()) {
        if (command_ended_ && client.left_out == 0 && client.backlog.size() < kMostLastOutput) {
            client.backlog.append(shown_head).append(bytes);
        } else {
            client.left_out += bytes.size();
        }
        return;
    }
    const ssize_t sent = send_now(client.socket.get(), shown_head, bytes);
    if (sent < 0) {
        client.out = client.err = false;
        return;
    }
    const auto taken = static_cast<std::size_t>(sent);
    if (taken < shown_head.size() + bytes.size()) {
        client.backlog = shown_head.substr(std::min(taken, shown_head.size()));
        client.backlog += bytes.substr(taken - std::min(taken, shown_head.size()));
        client.full_since = ShimClock::now();
    }
}

void Streams::serve(Client& client, short events) {
    if ((events & POLLOUT) != 0 && !client.backlog.empty()) {
        const ssize_t sent = send_now(client.socket.get(), client.backlog, {});
        if (sent < 0) {
            client.out = client.err = false;
            client.backlog.clear();
        } else {
            client.backlog.erase(0, static_cast<std::size_t>(sent));
        }
        if (client.backlog.empty()) {
            client.backlog = std::string();  // gives the memory back
            if (const std::uint64_t left_out = std::exchange(client.left_out, 0); left_out > 0) {
                pass_on(client,
                        fmt::format("\r\ndrydock: {} bytes of output were left out here: nobody "
                                    "took them in time; the log has them\r\n",
                                    left_out),
                        client.err);
            }
        }
    }
    if ((events & POLLIN) != 0) {
        read_input(client);
    }
    if ((events & (POLLHUP | POLLERR)) != 0 && (events & POLLIN) == 0) {
        client.hung_up = true;
        client.out = client.err = false;
        client.backlog.clear();
    }
}

void Streams::read_input(Client& client) {
    std::string typed(kInputPiece, '\0');
    const ssize_t n = ::recv(client.socket.get(), typed.data(), typed.size(), MSG_DONTWAIT);
    if (n > 0) {
        client.detached = client.keys.scan(
            std::string_view(typed).substr(0, static_cast<std::size_t>(n)), input_);
        write_input();
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        input_ended(client);
    }
}

void Streams::input_ended(Client& client) {
    client.in = false;
    // A terminal's input ends by a key, not by the end of whoever types.
    input_over_ = input_over_ || (rules_.stdin_once && !terminal_);
    write_input();
}

void Streams::write_input() {
    if (in_ && !input_.empty()) {
        const ssize_t n = ::write(in_.get(), input_.data(), input_.size());
        if (n >= 0) {
            input_.erase(0, static_cast<std::size_t>(n));
        } else if (errno != EAGAIN && errno != EINTR) {
            in_ = UniqueFd();  // the command has closed its end
        }
    }
    if (input_.empty() && input_over_) {
        in_ = UniqueFd();
    }
    if (!in_ || input_.empty()) {
        input_ = std::string();
    }
}

/// Lets go of the clients that are no longer.
void Streams::sweep() {
    std::erase_if(clients_, [&](const Client& client) {
        return client.detached || (client.hung_up && (!client.in || !in_));
    });
}

void Streams::end() {
    std::string entries;
    for (Output& output : outputs_) {
        output.lines.finish(entries);
        output.fd = UniqueFd();
    }
    if (rules_.log != nullptr) {
        rules_.log->append(entries);
    }
    in_ = UniqueFd();
    Rests rests;
    for (Client& client : clients_) {
        if (!client.backlog.empty()) {
            rests.emplace_back(client.socket.get(), std::move(client.backlog));
        }
    }
    if (!rests.empty()) {
        deliver_behind(std::move(rests));
    }
    clients_.clear();
}

}  // namespace drydock
