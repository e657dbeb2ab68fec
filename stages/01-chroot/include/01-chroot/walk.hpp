#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "01-chroot/child.hpp"
#include "01-chroot/meeting.hpp"
#include "01-chroot/signals.hpp"
#include "01-chroot/step.hpp"

namespace drydock {

struct WalkOptions {
    bool explain = false;                ///< print every step with its calls and what it took
    int explain_fd = 2;                  ///< where to
    std::vector<std::string> without{};  ///< steps to leave out, to see what breaks
};

/// What one step of a walk did, as --explain and the benchmarks see it.
struct StepReport {
    std::string name{};
    Side side = Side::Host;
    std::int64_t nanoseconds = 0;
    std::vector<std::string>
        calls{};  ///< each successful call, in the words its error message would have
    std::string see{};
    bool skipped = false;
};
/// One line a call: `child  pivot-root   31 µs  pivot_root(...)   -> pivot_root(2)`.
std::string to_text(const StepReport& report);

/// One walk over a table of steps, in two processes. The host walks the rows from the top; the row
/// that calls clone() splits the walk, and from there on each side does its own rows and waits at
/// the rows of the other: the table's order is the order of events. A failing row ends the walk on
/// the host's side with an exception, whoever did it.
///
/// The environment variable DRYDOCK_FAIL=STEP:kill, STEP:kill-after or STEP:error=N ends the
/// process that does the step with SIGKILL before or after it, or makes it fail with errno N: crash
/// tests use it.
class Walk {
  public:
    explicit Walk(WalkOptions options = {});

    /// The step "clone": splits into host and child (clone_child in child.hpp). The child dies with
    /// the host.
    /// @param cgroup as for clone_child()
    void clone(std::uint64_t flags, int cgroup = -1);
    /// Whether the step `name` is left out of this walk.
    [[nodiscard]] bool skips(std::string_view name) const;
    [[nodiscard]] bool in_child() const noexcept { return side_ == Side::Child; }
    [[nodiscard]] Child& child() noexcept { return child_; }
    [[nodiscard]] const BlockedSignals& signals() const noexcept { return signals_; }
    /// In the child, for a step that waits for somebody else to say when to go on (`create` and
    /// `start` of the OCI): the host's walk is over now, and its child goes on without it once it
    /// calls let_go(). When the host dies before that, so does the child.
    void hand_over();
    /// On the host's side, after a walk that was handed over: nothing of the host is needed any
    /// more.
    void let_go() noexcept;
    /// In the child, after hand_over(): errors are told there from now on, and the end of that
    /// stream tells that the command runs.
    void answer_to(Meeting meeting) noexcept { meeting_ = std::move(meeting); }
    /// In the child: it does not die with the host any more.
    void outlive_host() const;
    /// In the child, once setns(2) has chosen a PID namespace for its children: returns in such a
    /// child, which takes over the rest of the walk as the host's own child.
    void go_on_in_pid_namespace();
    /// The child's end of the meeting with the host, lent.
    [[nodiscard]] int meeting_descriptor() const noexcept { return meeting_.descriptor(); }
    /// In a process that the child left behind (an init): it takes no further part in the walk.
    void leave() noexcept;

    /// Waits for the command, passing signals on. @return its exit status
    int wait() { return wait_and_forward(child_, signals_); }

    [[nodiscard]] const std::vector<StepReport>& reports() const noexcept { return reports_; }

    /// walk() below is what stages call.
    void run(std::span<const StepLabel> rows, const std::function<void(std::size_t)>& row);

  private:
    struct Fault {
        std::string step{};
        std::string what{};
    };

    void check_names(std::span<const StepLabel> rows) const;
    void run_host(std::span<const StepLabel> rows, const std::function<void(std::size_t)>& row);
    void leave_if_child(std::size_t row, const std::exception& e) const noexcept;
    [[noreturn]] void run_child(std::span<const StepLabel> rows,
                                const std::function<void(std::size_t)>& row,
                                std::size_t first) noexcept;
    void do_row(const StepLabel& row, std::size_t index,
                const std::function<void(std::size_t)>& body);
    /// @return false when the child's end of the meeting is closed
    bool await_turn(std::span<const StepLabel> rows);
    void follow(pid_t pid);
    void await_exec(std::span<const StepLabel> rows);
    [[noreturn]] void throw_child_failed(const StepLabel& row, const Message& message);
    [[noreturn]] void throw_child_died();
    void report(StepReport report);
    void inject_fault(std::string_view step, std::string_view moment) const;

    WalkOptions options_;
    std::optional<Fault> fault_{};
    std::vector<StepReport> reports_{};
    BlockedSignals signals_{};
    bool handed_over_ = false;
    std::optional<std::int64_t> exec_began_{};  ///< CLOCK_MONOTONIC, nanoseconds
    Side side_ = Side::Host;
    Meeting meeting_{};
    Child child_{};  // last, so first to go: the processes end before what they use does
};

/// Walks `table` for `start`, whose member `walk` is the Walk. Returns on the host's side when the
/// command runs, or waits for somebody else to start it (hand_over()); never returns in the child.
/// @throws SetupError when a row failed; nothing runs any more then
template <class Start, std::size_t N>
void walk(const Step<Start> (&table)[N], Start& start) {
    std::vector<StepLabel> rows;
    std::vector<void (*)(Start&)> bodies;
    rows.reserve(N);
    bodies.reserve(N);
    for (const Step<Start>& step : table) {
        if (step.applies == nullptr || step.applies(start)) {
            rows.push_back({step.name, step.side, step.see});
            bodies.push_back(step.does);
        }
    }
    start.walk.run(rows, [&](std::size_t i) { bodies[i](start); });
}

}  // namespace drydock
