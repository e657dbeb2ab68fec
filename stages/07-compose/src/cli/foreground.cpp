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
          signals_fd_(check(::signalfd(-1, &signals_.blocked(), SFD_CLOEXEC), "signalfd()")),
          // Before the start: a container may have ended when the answer to the start comes.
          wait_(engine.stream("POST", path_of({"containers", id_, "wait"}),
                              {{"condition", container.auto_remove ? "removed" : "next-exit"}})),
          logs_(engine.stream("GET", path_of({"containers", id_, "logs"}),
                              {{"follow", "1"},
                               {"stdout", "1"},
                               {"stderr", "1"},
                               {"tail", container.only_new ? "0" : "all"}})) {}

    int follow() {
        while (!status_ || logs_open_) {
            await_event();
        }
        return *status_;
    }

  private:
    void await_event() {
        std::array<pollfd, 3> events{
            {{.fd = signals_fd_.get(), .events = POLLIN, .revents = 0},
             {.fd = logs_open_ ? logs_.fd() : -1, .events = POLLIN, .revents = 0},
             {.fd = status_ ? -1 : wait_.fd(), .events = POLLIN, .revents = 0}}};
        const bool ready =
            (logs_open_ && logs_.has_buffered()) || (!status_ && wait_.has_buffered());
        if (::poll(events.data(), events.size(), ready ? 0 : -1) == -1 && errno != EINTR) {
            check(-1, "poll(signals, logs, wait)");
        }
        if (events[0].revents != 0) {
            pass_on_signal();
        }
        if (logs_open_ && (events[1].revents != 0 || logs_.has_buffered())) {
            copy_output();
        }
        if (!status_ && (events[2].revents != 0 || wait_.has_buffered())) {
            status_ = parse_answer(wait_.read_all()).at("StatusCode").get<int>();
        }
    }

    void copy_output() {
        const auto bytes = logs_.read_some();
        logs_open_ = bytes.has_value();
        if (bytes) {
            demultiplexer_.feed(*bytes);
        }
    }

    void pass_on_signal() {
        signalfd_siginfo info{};
        check(::read(signals_fd_.get(), &info, sizeof info), "read(signalfd)");
        const int number = static_cast<int>(info.ssi_signo);
        if (number == SIGWINCH) {
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
    BlockedSignals signals_{};
    UniqueFd signals_fd_;
    Exchange wait_;
    Exchange logs_;
    Demultiplexer demultiplexer_{[](Output output, std::string_view bytes) {
        write_all(output == Output::Stdout ? STDOUT_FILENO : STDERR_FILENO, bytes,
                  "standard output");
    }};
    bool logs_open_ = true;
    std::optional<int> status_{};
    int requests_to_end_ = 0;
};

}  // namespace

void start_container(const Engine& engine, const std::string& id) {
    try {
        engine.post(path_of({"containers", id, "start"}));
    } catch (const EngineError& e) {
        throw SetupError(e.what(), {}, exit_status_of_refusal(e.what()));
    }
}

int run_in_foreground(const Engine& engine, const Foreground& container) {
    Session session(engine, container);
    start_container(engine, container.id);
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
