#include "07-compose/cli/foreground.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/signals.hpp"
#include "07-compose/cli/log_stream.hpp"

namespace drydock::cli {
namespace {

constexpr int kImpatient = 3;
constexpr int kPatienceMs = 500;

/// 125, 126 or 127, told by docker's words.
int exit_status_of_refusal(const std::string& message) {
    const auto has = [&](const char* words) { return message.find(words) != std::string::npos; };
    if (has("executable file not found") || has("no such file or directory") ||
        has("No such file or directory")) {
        return kNotFound;
    }
    if (has("permission denied") || has("Permission denied") || has("is a directory") ||
        has("Is a directory")) {
        return kNotExecutable;
    }
    return kSetupFailed;
}

/// One started container, its two answers that come late, and our signals.
class Session {
  public:
    Session(const Engine& engine, const Foreground& container)
        : engine_(engine),
          id_(container.id),
          tty_(container.streams.tty),
          reads_output_(container.out || container.err),
          pass_signals_(container.pass_signals),
          signals_fd_(check(::signalfd(-1, &signals_.blocked(), SFD_CLOEXEC), "signalfd()")),
          // Before the start: a container may have ended when the answer to the start comes.
          wait_(engine.stream("POST", path_of({"containers", id_, "wait"}),
                              {{"condition", container.auto_remove ? "removed" : "next-exit"}})),
          talk_(engine.stream("POST", path_of({"containers", id_, "attach"}),
                              {{"stream", "1"},
                               {"stdin", container.streams.interactive ? "1" : "0"},
                               {"stdout", container.out ? "1" : "0"},
                               {"stderr", container.err ? "1" : "0"},
                               {"detachKeys", container.detach_keys}}),
                container.streams) {}

    int follow() {
        while (!left_ && talk_.open() && (reads_output_ || !talk_.input_ended())) {
            await_event(-1);
        }
        if (left_ || !reads_output_) {
            return left_.value_or(0);
        }
        // Its end follows that of its output at once, unless it was left by the detach keys.
        while (!status_ && has_ended()) {
            await_event(kPatienceMs);
        }
        return status_.value_or(0);
    }

  private:
    void await_event(int timeout_ms) {
        std::array<pollfd, 4> events{
            {{.fd = signals_fd_.get(), .events = POLLIN, .revents = 0},
             {.fd = talk_.stream_fd(), .events = talk_.stream_events(), .revents = 0},
             {.fd = status_ ? -1 : wait_.fd(), .events = POLLIN, .revents = 0},
             {.fd = talk_.input_fd(), .events = POLLIN, .revents = 0}}};
        const bool ready = talk_.has_buffered() || (!status_ && wait_.has_buffered());
        if (::poll(events.data(), events.size(), ready ? 0 : timeout_ms) == -1) {
            check(errno == EINTR ? 0 : -1, "poll(signals, streams, wait)");
            return;
        }
        if (events[0].revents != 0) {
            pass_on_signal();
        }
        if (talk_.has_buffered() || (talk_.open() && events[1].revents != 0)) {
            talk_.copy_stream(events[1].revents);
        }
        if (!status_ && (events[2].revents != 0 || wait_.has_buffered())) {
            status_ = parse_answer(wait_.read_all()).at("StatusCode").get<int>();
        }
        if (events[3].revents != 0) {
            talk_.read_input();
        }
    }

    /// Waits for the end a moment, then asks.
    bool has_ended() {
        if (!tty_) {
            return true;
        }
        pollfd event{.fd = wait_.fd(), .events = POLLIN, .revents = 0};
        if (wait_.has_buffered() || ::poll(&event, 1, kPatienceMs) == 1) {
            return true;
        }
        try {
            const auto container = engine_.get(path_of({"containers", id_, "json"}));
            return !container.at("State").at("Running").get<bool>();
        } catch (const EngineError&) {
            return true;  // removed by now
        }
    }

    void pass_on_signal() {
        signalfd_siginfo info{};
        check(::read(signals_fd_.get(), &info, sizeof info), "read(signalfd)");
        const int number = static_cast<int>(info.ssi_signo);
        if (number == SIGWINCH) {
            if (tty_) {
                send_terminal_size(engine_, path_of({"containers", id_, "resize"}));
            }
            return;
        }
        if (!pass_signals_) {
            constexpr int kSignalled = 128;
            left_ = kSignalled + number;
            return;
        }
        requests_to_end_ += number == SIGINT || number == SIGTERM ? 1 : 0;
        try {
            const int sent = requests_to_end_ >= kImpatient ? SIGKILL : number;
            engine_.post(path_of({"containers", id_, "kill"}),
                         {{"signal", fmt::format("SIG{}", ::sigabbrev_np(sent))}});
        } catch (const EngineError& e) {
            constexpr int kNotFound = 404;
            constexpr int kConflict = 409;
            if (e.status() != kNotFound && e.status() != kConflict) {
                throw;
            }
            // It has ended in this moment: wait_ tells.
        }
    }

    const Engine& engine_;
    std::string id_;
    bool tty_;
    bool reads_output_;
    bool pass_signals_;
    BlockedSignals signals_{};
    UniqueFd signals_fd_;
    Exchange wait_;
    Conversation talk_;
    std::optional<int> status_{};
    std::optional<int> left_{};  ///< the exit status of who went away
    int requests_to_end_ = 0;
};

}  // namespace

Foreground foreground_of(const nlohmann::json& container) {
    const auto& config = container.at("Config");
    return {.id = container.at("Id"),
            .auto_remove = container.at("HostConfig").value("AutoRemove", false),
            .streams = {.interactive = config.value("OpenStdin", false),
                        .tty = config.value("Tty", false)}};
}

void send_terminal_size(const Engine& engine, const std::string& path) {
    const TerminalSize size = terminal_size(STDOUT_FILENO);
    if (size.rows == 0) {
        return;
    }
    try {
        engine.post(path, {{"h", std::to_string(size.rows)}, {"w", std::to_string(size.columns)}});
    } catch (const EngineError&) {  // NOLINT(bugprone-empty-catch): it has ended in this moment
    }
}

void start_container(const Engine& engine, const std::string& id) {
    try {
        engine.post(path_of({"containers", id, "start"}));
    } catch (const EngineError& e) {
        throw SetupError(e.what(), {}, exit_status_of_refusal(e.what()));
    }
}

int run_in_foreground(const Engine& engine, const Foreground& container) {
    Session session(engine, container);
    if (!container.running) {
        start_container(engine, container.id);
    }
    if (container.streams.tty) {
        send_terminal_size(engine, path_of({"containers", container.id, "resize"}));
    }
    if (container.explain) {
        print_explanation(engine, container.id);
    }
    return session.follow();
}

void print_explanation(const Engine& engine, const std::string& id) {
    Exchange answer = engine.stream("GET", path_of({"drydock", "containers", id, "explain"}));
    write_all(STDERR_FILENO, answer.read_all(), "standard error");
}

}  // namespace drydock::cli
