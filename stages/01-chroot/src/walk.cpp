#include "01-chroot/walk.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

// Without these two there is no container to look at.
constexpr std::string_view kClone = "clone";
constexpr std::string_view kExec = "exec";

std::int64_t now() {
    // steady_clock is CLOCK_MONOTONIC, which host and child share.
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += text.empty() ? "" : "\n";
        text += line;
    }
    return text;
}

std::vector<std::string> split_lines(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

/// Collects what check() narrates while it lives.
class Narration {
  public:
    explicit Narration(bool listen) {
        if (listen) {
            narrated_calls = &calls_;
        }
    }
    ~Narration() { narrated_calls = nullptr; }
    Narration(const Narration&) = delete;
    Narration& operator=(const Narration&) = delete;
    Narration(Narration&&) = delete;
    Narration& operator=(Narration&&) = delete;

    [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }

  private:
    std::vector<std::string> calls_{};
};

Message error_message(std::int32_t row, const std::exception& e) {
    Message message{
        .kind = Message::Kind::Error, .row = row, .exit_status = kSetupFailed, .text = e.what()};
    if (const auto* setup = dynamic_cast<const SetupError*>(&e)) {
        message.error = setup->code().value();
        message.exit_status = setup->exit_status();
    } else if (const auto* system = dynamic_cast<const std::system_error*>(&e)) {
        message.error = system->code().value();
    }
    return message;
}

}  // namespace

std::string to_text(const StepReport& report) {
    const char* side = report.side == Side::Host ? "host " : "child";
    if (report.skipped) {
        return fmt::format("{}  {:<18} skipped (--without)\n", side, report.name);
    }
    const double microseconds = static_cast<double>(report.nanoseconds) / 1000.0;
    std::string text =
        fmt::format("{}  {:<18} {:>8.0f} µs  -> {}\n", side, report.name, microseconds, report.see);
    for (const std::string& call : report.calls) {
        text += fmt::format("         {}\n", call);
    }
    return text;
}

Walk::Walk(WalkOptions options) : options_(std::move(options)) {
    // One thread only (child.hpp), so nobody changes the environment meanwhile.
    if (const char* fault = std::getenv("DRYDOCK_FAIL")) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view text = fault;
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) {
            throw InputError(fmt::format(
                "DRYDOCK_FAIL={}: expected STEP:kill, STEP:kill-after or STEP:error=N", text));
        }
        fault_ = Fault{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
    }
}

void Walk::clone(std::uint64_t flags, int cgroup) {
    meeting_ = Meeting::open();
    child_ = clone_child(flags, cgroup);
    if (child_) {
        meeting_.keep_host_end();
        return;
    }
    side_ = Side::Child;
    meeting_.keep_child_end();
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG, SIGKILL)");
    // The host may have died before that. Its end of the meeting tells; getppid() would not: across
    // a PID namespace it is 0 whether the parent lives or not.
    if (!meeting_.other_side_is_there()) {
        ::_exit(kSetupFailed);
    }
}

void Walk::leave() noexcept {
    meeting_.close();
}

void Walk::outlive_host() const {
    check(::prctl(PR_SET_PDEATHSIG, 0), "prctl(PR_SET_PDEATHSIG, 0)");
}

void Walk::hand_over() {
    // First: the host may be gone a moment after it has let us go. Until then the end of the
    // meeting says that it died.
    outlive_host();
    meeting_.send({.kind = Message::Kind::Waits});
    if (!meeting_.receive()) {
        ::_exit(kSetupFailed);
    }
    meeting_.close();
}

void Walk::let_go() noexcept {
    meeting_.send({.kind = Message::Kind::Turn});
    meeting_.close();
    child_.release();
}

void Walk::go_on_in_pid_namespace() {
    // Not clone3: a filter that is loaded by now may refuse it. CLONE_PARENT makes the host the
    // parent, who waits for the command.
    const long pid = check(::syscall(SYS_clone, CLONE_PARENT, nullptr, nullptr, nullptr, nullptr),
                           "clone(CLONE_PARENT)");
    if (pid != 0) {
        meeting_.send({.kind = Message::Kind::Became, .row = static_cast<std::int32_t>(pid)});
        ::_exit(0);
    }
    // It is not inherited. That the host lives yet its Turn tells.
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG, SIGKILL) anew");
    if (!meeting_.receive()) {
        ::_exit(kSetupFailed);
    }
}

/// Our child goes on as `pid`, a child of ours as well: nobody else can have that pid before we
/// have reaped it.
void Walk::follow(pid_t pid) {
    child_.wait();
    child_ = Child(pid, open_pidfd(pid));
    meeting_.send({.kind = Message::Kind::Turn});
}

bool Walk::skips(std::string_view name) const {
    return std::ranges::find(options_.without, name) != options_.without.end();
}

void Walk::check_names(std::span<const StepLabel> rows) const {
    const auto is_row = [&](std::string_view name) {
        return std::ranges::any_of(rows, [&](const StepLabel& row) { return row.name == name; });
    };
    for (const std::string& name : options_.without) {
        if (!is_row(name) || name == kClone || name == kExec) {
            std::string names;
            for (const StepLabel& row : rows) {
                if (row.name != kClone && row.name != kExec) {
                    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
                }
            }
            throw InputError(fmt::format("--without {}: expected one of {}", name, names));
        }
    }
}

void Walk::inject_fault(std::string_view step, std::string_view moment) const {
    if (!fault_ || fault_->step != step) {
        return;
    }
    constexpr std::string_view kError = "error=";
    if (fault_->what == moment) {
        static_cast<void>(::raise(SIGKILL));
        ::_exit(128 + SIGKILL);  // PID 1 of a PID namespace is not killed from inside
    } else if (moment == "kill" && fault_->what.starts_with(kError)) {
        errno = std::atoi(fault_->what.c_str() +
                          kError.size());  // NOLINT(cert-err34-c): a test's own number
        check(-1, "DRYDOCK_FAIL={}:{}", fault_->step, fault_->what);
    }
}

void Walk::report(StepReport report) {
    if (options_.explain) {
        write_all(options_.explain_fd, to_text(report), "--explain");
        reports_.push_back(std::move(report));
    }
}

void Walk::do_row(const StepLabel& row, std::size_t index,
                  const std::function<void(std::size_t)>& body) {
    StepReport done{.name = std::string(row.name), .side = row.side, .see = std::string(row.see)};
    if (skips(row.name)) {
        done.skipped = true;
        if (in_child()) {
            meeting_.send({.kind = Message::Kind::Report,
                           .row = static_cast<std::int32_t>(index),
                           .nanoseconds = -1});
        } else {
            report(std::move(done));
        }
        return;
    }
    inject_fault(row.name, "kill");
    if (row.name == kExec) {
        meeting_.send({.kind = Message::Kind::Exec,
                       .row = static_cast<std::int32_t>(index),
                       .nanoseconds = now()});
    }
    const Narration narration(options_.explain);
    const std::int64_t begin = options_.explain ? now() : 0;
    const bool was_in_child = in_child();
    body(index);
    inject_fault(row.name, "kill-after");
    if (!options_.explain || was_in_child != in_child()) {
        return;  // nobody listens; or this is the new child, and the host reports the clone
    }
    done.nanoseconds = now() - begin;
    done.calls = narration.calls();
    if (in_child()) {
        meeting_.send({.kind = Message::Kind::Report,
                       .row = static_cast<std::int32_t>(index),
                       .nanoseconds = done.nanoseconds,
                       .text = joined(done.calls)});
    } else {
        report(std::move(done));
    }
}

void Walk::run(std::span<const StepLabel> rows, const std::function<void(std::size_t)>& row) {
    check_names(rows);
    run_host(rows, row);
}

void Walk::run_host(std::span<const StepLabel> rows, const std::function<void(std::size_t)>& row) {
    bool ours = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].side == Side::Child) {
            if (ours && child_) {
                meeting_.send({.kind = Message::Kind::Turn});
            }
            ours = false;
            continue;
        }
        if (!ours) {
            if (!await_turn(rows)) {
                throw_child_died();
            }
            ours = true;
        }
        try {
            do_row(rows[i], i, row);
        } catch (const std::system_error& e) {
            leave_if_child(i, e);
            throw SetupError(fmt::format("{}: {}", rows[i].name, e.what()), e.code(), kSetupFailed);
        } catch (const std::exception& e) {
            leave_if_child(i, e);
            throw;
        }
        if (in_child()) {
            run_child(rows, row, i + 1);
        }
    }
    await_exec(rows);
}

// The first thing the child did was to fail, inside the very row that made it.
void Walk::leave_if_child(std::size_t row, const std::exception& e) const noexcept {
    if (in_child()) {
        const Message message = error_message(static_cast<std::int32_t>(row), e);
        meeting_.send(message);
        ::_exit(message.exit_status);
    }
}

// noexcept: an exception that left this function would unwind the host's frames in a second
// process, and their owners would remove what the host still uses. The child leaves by execve or
// _exit only.
void Walk::run_child(std::span<const StepLabel> rows, const std::function<void(std::size_t)>& row,
                     std::size_t first) noexcept {
    std::size_t i = first;
    try {
        bool ours = false;
        for (; i < rows.size(); ++i) {
            if (rows[i].side == Side::Host) {
                if (ours) {
                    meeting_.send({.kind = Message::Kind::Turn});
                }
                ours = false;
                continue;
            }
            if (!ours && !meeting_.receive()) {
                ::_exit(kSetupFailed);  // the host gave up
            }
            ours = true;
            if (rows[i].name == kExec) {
                signals_.restore();
            }
            do_row(rows[i], i, row);
        }
        throw std::logic_error("the table of steps has no exec");
    } catch (const std::exception& e) {
        const Message message = error_message(static_cast<std::int32_t>(i), e);
        meeting_.send(message);
        ::_exit(message.exit_status);
    } catch (...) {
        ::_exit(kSetupFailed);
    }
}

bool Walk::await_turn(std::span<const StepLabel> rows) {
    while (const std::optional<Message> message = meeting_.receive()) {
        const bool of_row = message->kind != Message::Kind::Became;
        const StepLabel& row = rows[of_row ? static_cast<std::size_t>(message->row) : 0];
        switch (message->kind) {
            case Message::Kind::Turn:
                return true;
            case Message::Kind::Error:
                throw_child_failed(row, *message);
            case Message::Kind::Report:
                report({.name = std::string(row.name),
                        .side = row.side,
                        .nanoseconds = message->nanoseconds,
                        .calls = split_lines(message->text),
                        .see = std::string(row.see),
                        .skipped = message->nanoseconds < 0});
                break;
            case Message::Kind::Exec:
                exec_began_ = message->nanoseconds;
                break;
            case Message::Kind::Waits:
                handed_over_ = true;
                return true;
            case Message::Kind::Became:
                follow(message->row);
                break;
        }
    }
    return false;
}

void Walk::await_exec(std::span<const StepLabel> rows) {
    const bool turn = await_turn(rows);
    if (handed_over_) {
        return;
    }
    if (turn || !exec_began_) {
        throw_child_died();
    }
    // The stream ended after Exec: execve closed it, so the command runs.
    const StepLabel& exec = rows.back();
    report({.name = std::string(exec.name),
            .side = exec.side,
            .nanoseconds = now() - *exec_began_,
            .see = std::string(exec.see)});
}

void Walk::throw_child_failed(const StepLabel& row, const Message& message) {
    child_.wait();
    // The command's own failure needs no step's name, and neither does an input that is not right
    // (no errno): what the user typed is named in the text.
    throw SetupError(row.name == kExec || message.error == 0
                         ? message.text
                         : fmt::format("{}: {}", row.name, message.text),
                     std::error_code(message.error, std::generic_category()), message.exit_status);
}

void Walk::throw_child_died() {
    const int status = child_.wait();
    throw SetupError(
        fmt::format(
            "the container's first process ended while it was being set up (exit status {})",
            status),
        std::make_error_code(std::errc::no_child_process), kSetupFailed);
}

}  // namespace drydock
