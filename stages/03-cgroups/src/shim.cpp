#include "03-cgroups/shim.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/bundle.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "03-cgroups/log_line.hpp"
#include "03-cgroups/state.hpp"

#include "shim_report.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

UniqueFd duplicate(int fd) {
    constexpr int kAboveStandard = 3;
    return UniqueFd(
        check(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveStandard), "fcntl(fd={}, F_DUPFD_CLOEXEC)", fd));
}

void put(int fd, int as) {
    check(::dup2(fd, as), "dup2({}, {})", fd, as);
}

/// One of the command's two outputs, on its way to the log.
class Output {
  public:
    Output(UniqueFd fd, Stream stream) : fd_(std::move(fd)), lines_(stream) {}

    /// -1 after the end.
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Reads once what is there, and appends the entries that come of it.
    void read_some(std::string& entries) {
        std::array<char, 65536> buffer{};
        const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
        if (n > 0) {
            lines_.add({buffer.data(), static_cast<std::size_t>(n)}, entries);
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            finish(entries);
        }
    }
    void finish(std::string& entries) {
        lines_.finish(entries);
        fd_ = UniqueFd();
    }

  private:
    UniqueFd fd_;
    LogLines lines_;
};

/// Reaps what the container's processes left to us, their subreaper; the first process itself stays
/// for wait().
void reap_orphans(pid_t keep) {
    siginfo_t ended{};
    while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 &&
           ended.si_pid != keep) {
        ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended, WEXITED | WNOHANG);
    }
}

class Watch {
  public:
    Watch(stage03::Running& running, Output out, Output err, UniqueFd log)
        : running_(running),
          outputs_{std::move(out), std::move(err)},
          log_(std::move(log)),
          arrived_(check(::signalfd(-1, &running.signals().blocked(), SFD_CLOEXEC), "signalfd()")) {
    }

    /// @return the command's exit status; its output is in the log, what it left running is dead
    int until_the_end() {
        while (!exit_status_) {
            turn(-1);
        }
        // Who still holds the outputs open is in the group, unless there is none: then nobody waits
        // for ever.
        running_.cgroup().kill();
        using Clock = std::chrono::steady_clock;
        const auto deadline = Clock::now() + std::chrono::seconds(2);
        while ((outputs_[0].fd() >= 0 || outputs_[1].fd() >= 0) && Clock::now() < deadline) {
            constexpr int kPauseMs = 100;
            turn(kPauseMs);
        }
        std::string entries;
        outputs_[0].finish(entries);
        outputs_[1].finish(entries);
        keep(entries);
        return *exit_status_;
    }

  private:
    void turn(int timeout_ms) {
        std::array<pollfd, 4> events{
            {{.fd = outputs_[0].fd(), .events = POLLIN, .revents = 0},
             {.fd = outputs_[1].fd(), .events = POLLIN, .revents = 0},
             {.fd = arrived_.get(), .events = POLLIN, .revents = 0},
             {.fd = exit_status_ ? -1 : running_.child().pidfd(), .events = POLLIN, .revents = 0}}};
        if (::poll(events.data(), events.size(), timeout_ms) == -1) {
            check(errno == EINTR ? 0 : -1, "poll()");
            return;
        }
        std::string entries;
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            if (events.at(i).revents != 0) {
                outputs_.at(i).read_some(entries);
            }
        }
        keep(entries);
        if (events[2].revents != 0) {
            pass_signal_on();
        }
        if (events[3].revents != 0) {
            exit_status_ = running_.child().wait();
        }
        reap_orphans(running_.child().pid());
    }

    /// A full disk takes the log, not the container.
    void keep(const std::string& entries) const {
        try {
            write_all(log_.get(), entries, "log");
        } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        }
    }

    void pass_signal_on() {
        signalfd_siginfo info{};
        check(::read(arrived_.get(), &info, sizeof info), "read(signalfd)");
        if (!exit_status_) {
            try {
                running_.child().signal(static_cast<int>(info.ssi_signo));
            } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): it has ended in
                                                  // this moment
            }
        }
    }

    stage03::Running& running_;
    std::array<Output, 2> outputs_;
    UniqueFd log_;
    UniqueFd arrived_;
    std::optional<int> exit_status_{};
};

void report(int fd, const ShimReport& what) {
    try {
        write_all(fd, to_text(what), "report");
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): who started us is gone
    }
}

ShimReport report_of_current_exception() {
    try {
        throw;
    } catch (const SetupError& e) {
        return {
            .exit_status = e.exit_status(), .error_number = e.code().value(), .error = e.what()};
    } catch (const std::exception& e) {
        return {.exit_status = kSetupFailed, .error = e.what()};
    }
}

/// The shim's three standard streams become the command's, and are the shim's own again when this
/// ends.
class StandardStreams {
  public:
    StandardStreams(int out, int err) : null_(open_file("/dev/null", O_RDWR)) {
        put(null_.get(), 0);
        put(out, 1);
        put(err, 2);
    }
    ~StandardStreams() {
        ::dup2(null_.get(), 1);
        ::dup2(null_.get(), 2);
    }
    StandardStreams(const StandardStreams&) = delete;
    StandardStreams& operator=(const StandardStreams&) = delete;
    StandardStreams(StandardStreams&&) = delete;
    StandardStreams& operator=(StandardStreams&&) = delete;

  private:
    UniqueFd null_;
};

void write_exit_record(const fs::path& bundle, const stage03::Ended& ended) {
    const std::string text =
        fmt::format("{{\"exit_status\":{},\"oom_killed\":{},\"finished_at\":\"{}\"}}\n",
                    ended.exit_status, ended.oom_killed, timestamp());
    replace_file(open_file(bundle, O_RDONLY | O_DIRECTORY).get(), "exit.json", text, 0644);
}

/// Everything from the start to the end of one container. `started` is called when the command
/// runs.
void keep_container(ShimOptions& options, const std::function<void(pid_t)>& started) {
    Bundle bundle = load_bundle(options.bundle, options.id);
    UniqueFd log = open_file(options.log_file, O_WRONLY | O_CREAT | O_APPEND, 0640);
    UniqueFd explain;
    if (!options.explain_file.empty()) {
        explain = open_file(options.explain_file, O_WRONLY | O_CREAT | O_TRUNC, 0640);
        options.walk.explain = true;
        options.walk.explain_fd = explain.get();
    }
    bundle.options.walk = options.walk;
    Record record(options.root, options.id, bundle.directory, bundle.options.cgroup_path);
    std::error_code ignored;
    fs::remove(bundle.directory / "exit.json", ignored);  // of an earlier start
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    std::unique_ptr<stage03::Running> running;
    {
        const StandardStreams streams(out.write.get(), err.write.get());
        out.write.close();
        err.write.close();
        running = stage03::start(bundle.options);
    }
    record.running(*running);
    started(running->child().pid());
    Watch watch(*running, {std::move(out.read), Stream::Stdout},
                {std::move(err.read), Stream::Stderr}, std::move(log));
    const int exit_status = watch.until_the_end();
    const stage03::Ended ended = stage03::finish(*running, exit_status);
    record.remove();
    write_exit_record(bundle.directory, ended);
}

}  // namespace

int run_shim(ShimOptions options) {
    UniqueFd reporting = duplicate(1);
    bool has_started = false;
    try {
        check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
        keep_container(options, [&](pid_t pid) {
            has_started = true;
            report(reporting.get(), {.pid = pid});
            reporting = UniqueFd();
        });
        return 0;
    } catch (const std::exception&) {
        if (has_started) {
            throw;
        }
        const ShimReport failure = report_of_current_exception();
        report(reporting.get(), failure);
        return failure.exit_status;
    }
}

}  // namespace drydock
