#include "03-cgroups/shim.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <system_error>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/terminal.hpp"
#include "02-namespaces/terminal_proxy.hpp"
#include "03-cgroups/bundle.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "03-cgroups/log_file.hpp"
#include "03-cgroups/state.hpp"

#include "hook_process.hpp"
#include "prepared_container.hpp"
#include "shim_memory.hpp"
#include "shim_protocol.hpp"
#include "shim_report.hpp"
#include "shim_server.hpp"
#include "shim_streams.hpp"

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

/// Reaps what the container's processes left to us, their subreaper. The children that somebody
/// here waits for are taken by their pidfds: the first of them that has ended stays, and with it
/// those behind it until the next turn.
void reap_orphans(const std::vector<pid_t>& keep) {
    siginfo_t ended{};
    while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 &&
           std::ranges::find(keep, ended.si_pid) == keep.end()) {
        ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended, WEXITED | WNOHANG);
        ended = {};
    }
}

/// SIGCHLD besides what the walk has blocked: an orphan's end is to be heard of. Only once the
/// container has its own signal mask.
sigset_t signals_to_hear(const stage03::Running& running) {
    sigset_t heard = const_cast<stage03::Running&>(running).signals().blocked();
    sigaddset(&heard, SIGCHLD);
    check(::sigprocmask(SIG_BLOCK, &heard, nullptr), "sigprocmask(SIG_BLOCK, SIGCHLD)");
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    return heard;
}

class Watch {
  public:
    Watch(stage03::Running& running, Streams& streams, ShimServer& server)
        : running_(running), streams_(streams), server_(server) {
        const sigset_t heard = signals_to_hear(running);
        arrived_ = UniqueFd(check(::signalfd(-1, &heard, SFD_CLOEXEC), "signalfd()"));
    }

    /// @return the command's exit status; its output is in the log, what it left running is dead
    int until_the_end() {
        while (!exit_status_) {
            turn(std::nullopt);
        }
        streams_.command_has_ended();
        // Who still holds the outputs open is in the group, unless there is none: then nobody waits
        // for them once they are silent.
        running_.cgroup().kill();
        constexpr auto kSilence = std::chrono::seconds(2);
        auto deadline = ShimClock::now() + kSilence;
        while (streams_.outputs_open() && ShimClock::now() < deadline) {
            constexpr auto kPause = std::chrono::milliseconds(100);
            const bool something = streams_.held() || !streams_.quiet();
            deadline = something ? ShimClock::now() + kSilence : deadline;
            turn(ShimClock::now() + kPause);
        }
        server_.end();
        streams_.end();
        return *exit_status_;
    }

  private:
    void turn(std::optional<ShimClock::time_point> until) {
        interests_.clear();
        streams_.add_interests(interests_);
        server_.add_interests(interests_);
        interests_.push_back({arrived_.get(), POLLIN, [this](short) { pass_signal_on(); }});
        if (!exit_status_) {
            interests_.push_back({running_.child().pidfd(), POLLIN,
                                  [this](short) { exit_status_ = running_.child().wait(); }});
        }
        wait_for_events(until);
        for (std::size_t i = 0; i < interests_.size(); ++i) {
            if (events_[i].revents != 0) {
                interests_[i].ready(events_[i].revents);
            }
        }
        server_.after_turn();
        reap_orphans(server_.children(exit_status_ ? 0 : running_.child().pid()));
    }

    void wait_for_events(std::optional<ShimClock::time_point> until) {
        events_.clear();
        for (const Interest& interest : interests_) {
            events_.push_back({.fd = interest.fd, .events = interest.events, .revents = 0});
        }
        const auto held = streams_.deadline();
        const auto end = until && held ? std::min(*until, *held) : (until ? until : held);
        int timeout_ms = -1;
        if (end) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - ShimClock::now());
            timeout_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        }
        if (timeout_ms != -1 || small_) {
            small_ = checked(::poll(events_.data(), events_.size(), timeout_ms)) == 0 && small_;
            return;
        }
        if (checked(::poll(events_.data(), events_.size(), silence_ms_)) == 0) {
            silence_ms_ = kLaterSilenceMs;
            small_ = checked(poll_small(events_, timeout_ms)) == 0;
        }
    }

    /// @return how many are ready
    static int checked(int ready) {
        if (ready == -1) {
            check(errno == EINTR ? 0 : -1, "poll()");
            return 0;
        }
        return ready;
    }

    void pass_signal_on() {
        signalfd_siginfo info{};
        check(::read(arrived_.get(), &info, sizeof info), "read(signalfd)");
        if (exit_status_ || info.ssi_signo == SIGCHLD) {
            return;
        }
        try {
            running_.child().signal(static_cast<int>(info.ssi_signo));
        } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): it has ended in this
                                              // moment
        }
    }

    stage03::Running& running_;
    Streams& streams_;
    ShimServer& server_;
    UniqueFd arrived_{};
    std::optional<int> exit_status_{};
    std::vector<Interest> interests_{};
    std::vector<pollfd> events_{};
    // How long nothing happens before what is not needed to wait is given back: at first no time.
    static constexpr int kLaterSilenceMs = 1000;
    int silence_ms_ = 0;
    bool small_ = false;
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
    /// @param in -1: /dev/null
    StandardStreams(int in, int out, int err) : null_(open_file("/dev/null", O_RDWR)) {
        put(in >= 0 ? in : null_.get(), 0);
        put(out, 1);
        put(err, 2);
    }
    ~StandardStreams() {
        ::dup2(null_.get(), 0);
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

void write_exit_record(int bundle, const stage03::Ended& ended) {
    const std::string text =
        fmt::format("{{\"exit_status\":{},\"oom_killed\":{},\"finished_at\":\"{}\"}}\n",
                    ended.exit_status, ended.oom_killed, timestamp());
    replace_file(bundle, "exit.json", text, 0644);
}

/// Who was attached before there was a container: told by the one who started us, on our standard
/// input, up to the message Start.
std::vector<Attachment> first_attachments() {
    std::vector<Attachment> attachments;
    struct stat status{};
    if (::fstat(0, &status) == -1 || !S_ISSOCK(status.st_mode)) {
        return attachments;
    }
    while (auto received = receive_message(0)) {
        if (received->message.verb == Verb::Start) {
            break;
        }
        attachments.push_back(attachment_of(received->message, std::move(received->fds)));
    }
    return attachments;
}

/// The shim's ends of the streams, and a container that has the others.
struct Launched {
    StreamEnds ends{};
    std::unique_ptr<stage03::Running> running{};
};

/// With pipes as the command's streams.
Launched launch_with_pipes(bool open_stdin, const stage03::Options& start) {
    Pipe in = open_stdin ? make_pipe() : Pipe();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    Launched launched;
    {
        const StandardStreams streams(in.read.get(), out.write.get(), err.write.get());
        in.read = UniqueFd();
        out.write.close();
        err.write.close();
        launched.running = stage03::start(start);
    }
    launched.ends = {
        .in = std::move(in.write), .out = std::move(out.read), .err = std::move(err.read)};
    return launched;
}

/// With a terminal of the container's own, whose other end comes to us.
Launched launch_with_terminal(const ShimOptions& options, stage03::Options& start) {
    ConsoleSockets console = make_console_sockets();
    start.terminal.socket = console.child.get();
    if (options.rows != 0 && options.columns != 0) {
        constexpr unsigned kMost = 65535;
        start.terminal.size = {
            .rows = static_cast<unsigned short>(std::min(options.rows, kMost)),
            .columns = static_cast<unsigned short>(std::min(options.columns, kMost))};
    }
    Launched launched;
    {
        const StandardStreams streams(-1, 0, 0);
        launched.running = stage03::start(start);
    }
    UniqueFd master = receive_descriptor(console.host.get());
    launched.ends = {.in = options.open_stdin ? duplicate(master.get()) : UniqueFd(),
                     .out = std::move(master),
                     .terminal = true};
    return launched;
}

/// Everything from the start to the end of one container. `started` is called when the command
/// runs.
void keep_container(ShimOptions& options, const std::function<void(pid_t)>& started) {
    std::vector<Attachment> attachments = first_attachments();
    Bundle bundle = load_bundle(options.bundle, options.id);
    LogFile log(options.log_file, options.log_limits);
    UniqueFd explain;
    if (!options.explain_file.empty()) {
        explain = open_file(options.explain_file, O_WRONLY | O_CREAT | O_TRUNC, 0640);
        options.walk.explain = true;
        options.walk.explain_fd = explain.get();
    }
    bundle.options.walk = options.walk;
    Record record(options.root, options.id, bundle.directory, bundle.options.cgroup_path);
    bundle.options.hook_state = hook_state_of(record.state());
    std::error_code ignored;
    fs::remove(bundle.directory / "exit.json", ignored);  // of an earlier start
    const UniqueFd directory = open_file(bundle.directory, O_RDONLY | O_DIRECTORY);
    // Before the start: who was told that the command runs may ask at once.
    UniqueFd listening = listen_in(directory.get());
    auto [ends, running] = bundle.options.terminal.wanted
                               ? launch_with_terminal(options, bundle.options)
                               : launch_with_pipes(options.open_stdin, bundle.options);
    record.running(*running);
    const oci::Hooks& hooks = bundle.options.hooks;
    if (!hooks.poststart.empty()) {
        static_cast<void>(
            run_late_hooks("poststart", hooks.poststart, state_json(record.state(), "running")));
    }
    started(running->child().pid());
    Streams streams(std::move(ends),
                    {.log = &log, .stdin_once = options.stdin_once, .hold = options.hold});
    for (Attachment& attachment : attachments) {
        streams.attach(std::move(attachment));
    }
    attachments.clear();
    ShimServer server(std::move(listening),
                      {.streams = streams,
                       .child = running->child(),
                       .place = {.runtime_root = options.root, .id = options.id}});
    Watch watch(*running, streams, server);
    const int exit_status = watch.until_the_end();
    ::unlinkat(directory.get(), kShimSocket, 0);
    const stage03::Ended ended = stage03::finish(*running, exit_status);
    record.remove();
    write_exit_record(directory.get(), ended);
    if (!hooks.poststop.empty()) {
        static_cast<void>(
            run_late_hooks("poststop", hooks.poststop, state_json(record.state(), "stopped")));
    }
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
