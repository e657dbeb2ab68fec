#include "02-namespaces/terminal_proxy.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

/// Our own terminal hands on each key as it is; as it was before when this ends.
class RawMode {
  public:
    RawMode() {
        if (::tcgetattr(0, &before_) == 0) {
            termios raw = before_;
            ::cfmakeraw(&raw);
            is_raw_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
        }
    }
    ~RawMode() {
        if (is_raw_) {
            ::tcsetattr(0, TCSANOW, &before_);
        }
    }
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    RawMode(RawMode&&) = delete;
    RawMode& operator=(RawMode&&) = delete;

  private:
    termios before_{};
    bool is_raw_ = false;
};

class TerminalProxy {
  public:
    TerminalProxy(Child& child, const BlockedSignals& signals, UniqueFd master)
        : child_(child),
          master_(std::move(master)),
          arrived_(check(::signalfd(-1, &signals.blocked(), SFD_CLOEXEC), "signalfd()")) {
        const int flags = check(::fcntl(master_.get(), F_GETFL), "fcntl(F_GETFL)");
        check(::fcntl(master_.get(), F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL, O_NONBLOCK)");
    }

    int until_the_end() {
        while (!exit_status_) {
            turn();
        }
        while (copy_output()) {
        }
        return *exit_status_;
    }

  private:
    void turn() {
        const bool typed_waits = !typed_.empty();
        std::array<pollfd, 4> events{
            {{.fd = input_open_ && !typed_waits ? 0 : -1, .events = POLLIN, .revents = 0},
             {.fd = output_open_ ? master_.get() : -1,
              .events = static_cast<short>(typed_waits ? POLLIN | POLLOUT : POLLIN),
              .revents = 0},
             {.fd = arrived_.get(), .events = POLLIN, .revents = 0},
             {.fd = child_.pidfd(), .events = POLLIN, .revents = 0}}};
        if (::poll(events.data(), events.size(), -1) == -1) {
            check(errno == EINTR ? 0 : -1, "poll()");
            return;
        }
        if (events[0].revents != 0) {
            read_typed();
        }
        if ((events[1].revents & POLLOUT) != 0) {
            write_typed();
        }
        if ((events[1].revents & ~POLLOUT) != 0) {
            output_open_ = copy_output() || errno == EAGAIN;
        }
        if (events[2].revents != 0) {
            pass_on();
        }
        if (events[3].revents != 0) {
            exit_status_ = child_.wait();
        }
    }

    void read_typed() {
        std::array<char, 4096> buffer{};
        const ssize_t n = ::read(0, buffer.data(), buffer.size());
        if (n > 0) {
            typed_.assign(buffer.data(), static_cast<std::size_t>(n));
            write_typed();
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            input_open_ = false;
            typed_ = "\4";  // the end of a file, as it is typed
            write_typed();
        }
    }

    void write_typed() {
        const ssize_t n = ::write(master_.get(), typed_.data(), typed_.size());
        if (n > 0) {
            typed_.erase(0, static_cast<std::size_t>(n));
        } else if (errno != EAGAIN && errno != EINTR) {
            typed_.clear();  // nobody reads there any more
        }
    }

    /// @return whether there was something; else errno is EAGAIN, or EIO when the terminal is over
    bool copy_output() {
        std::array<char, 65536> buffer{};
        const ssize_t n = ::read(master_.get(), buffer.data(), buffer.size());
        if (n <= 0) {
            return false;
        }
        write_all(1, {buffer.data(), static_cast<std::size_t>(n)}, "standard output");
        return true;
    }

    void pass_on() {
        signalfd_siginfo info{};
        check(::read(arrived_.get(), &info, sizeof info), "read(signalfd)");
        if (info.ssi_signo == SIGWINCH) {
            winsize size{};
            if (::ioctl(0, TIOCGWINSZ, &size) == 0) {
                ::ioctl(master_.get(), TIOCSWINSZ, &size);
            }
            return;
        }
        try {
            child_.signal(static_cast<int>(info.ssi_signo));
        } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): it has just ended
        }
    }

    Child& child_;
    UniqueFd master_;
    UniqueFd arrived_;
    RawMode raw_{};
    std::string typed_{};
    bool input_open_ = true;
    bool output_open_ = true;
    std::optional<int> exit_status_{};
};

}  // namespace

ConsoleSockets make_console_sockets() {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()),
          "socketpair(AF_UNIX, SOCK_STREAM)");
    return {.host = UniqueFd(ends[0]), .child = UniqueFd(ends[1])};
}

TerminalSize size_of_own_terminal(TerminalSize otherwise) {
    winsize size{};
    if (otherwise.rows != 0 || otherwise.columns != 0 || ::ioctl(0, TIOCGWINSZ, &size) == -1) {
        return otherwise;
    }
    return {.rows = size.ws_row, .columns = size.ws_col};
}

int serve_terminal(Child& child, const BlockedSignals& signals, UniqueFd master) {
    return TerminalProxy(child, signals, std::move(master)).until_the_end();
}

}  // namespace drydock
