#include "shim_execs.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/terminal.hpp"
#include "03-cgroups/container_exec.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxProcess = std::size_t{16} << 20U;

/// What the process that waits for the command gets of the shim's descriptors.
struct ExecChild {
    int process = -1;
    int in = -1;  ///< -1: /dev/null
    int out = -1;
    int err = -1;
    int console = -1;  ///< -1: no terminal
};

void become_streams(const ExecChild& child) {
    const UniqueFd null = open_file("/dev/null", O_RDWR);
    const std::array<int, 3> streams = {child.in, child.out, child.err};
    for (int i = 0; i < 3; ++i) {
        const int from = streams.at(static_cast<std::size_t>(i));
        check(::dup2(from >= 0 ? from : null.get(), i), "dup2({}, {})", from, i);
    }
}

/// Closes the shim's pipes, sockets and terminals, but for these: a copy of one in this process
/// would keep it open for whoever is at its other end. Files and directories stay, of which some
/// function here may remember one that it opened in the shim.
void close_lines_but(std::span<const int> kept) {
    std::vector<int> lines;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename());
        struct stat status{};
        if (::fstat(fd, &status) == 0 &&
            (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) &&
            std::ranges::find(kept, fd) == kept.end()) {
            lines.push_back(fd);
        }
    }
    for (const int fd : lines) {
        ::close(fd);
    }
}

/// In a copy of the shim: runs the command and leaves with its exit status.
[[noreturn]] void be_exec_child(const ShimExecution::Place& place,
                                const ExecChild& child) noexcept {
    try {
        become_streams(child);
        const std::array<int, 5> kept = {0, 1, 2, child.process, child.console};
        close_lines_but(kept);
        static_cast<void>(std::signal(SIGPIPE, SIG_DFL));
        sigset_t none{};
        sigemptyset(&none);
        check(::sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask(SIG_SETMASK)");
        ::_exit(exec_in_container(
            {.root = place.runtime_root,
             .id = place.id,
             .process_text = read_all(child.process, kMaxProcess, "the process of an exec"),
             .console_fd = child.console}));
    } catch (...) {
        ::_exit(report_current_exception("drydock-shim"));
    }
}

}  // namespace

ShimExecution::ShimExecution(const Place& place, UniqueFd process, bool terminal,
                             std::optional<Attachment> attachment) {
    const bool reads = attachment && attachment->in;
    Pipe in = reads && !terminal ? make_pipe() : Pipe();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    UniqueFd console;
    if (terminal) {
        std::array<int, 2> pair{};
        check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()),
              "socketpair(AF_UNIX)");
        console_ = UniqueFd(pair[0]);
        console = UniqueFd(pair[1]);
        out = Pipe();
    }
    child_ = clone_child(0);
    if (!child_) {
        be_exec_child(place, {.process = process.get(),
                              .in = in.read.get(),
                              .out = out.write.get(),
                              .err = err.write.get(),
                              .console = console.get()});
    }
    // It is its own reader that a slow client of an exec holds up, and nobody else.
    streams_ = std::make_unique<Streams>(
        StreamEnds{
            .in = std::move(in.write), .out = std::move(out.read), .err = std::move(err.read)},
        StreamRules{.stdin_once = true});
    if (attachment) {
        streams_->attach(std::move(*attachment));
    }
}

void ShimExecution::resize(unsigned short rows, unsigned short columns) {
    if (console_) {
        size_ = {rows, columns};
    } else {
        streams_->resize(rows, columns);
    }
}

void ShimExecution::signal(int number) const {
    if (child_) {
        child_.signal(number);  // which passes it on
    }
}

void ShimExecution::add_interests(std::vector<Interest>& into) {
    streams_->add_interests(into);
    if (console_) {
        into.push_back({console_.get(), POLLIN, [this](short) { take_terminal(); }});
    }
    if (child_) {
        into.push_back({child_.pidfd(), POLLIN, [this](short) { exit_status_ = child_.wait(); }});
    }
}

void ShimExecution::take_terminal() {
    const UniqueFd console = std::move(console_);
    try {
        streams_->set_terminal(receive_descriptor(console.get()));
        if (size_) {
            streams_->resize(size_->first, size_->second);
        }
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it did not come to a
                                       // terminal, and the error output says why
    }
}

std::optional<int> ShimExecution::ended() const {
    // What others still hold open of its outputs is waited for no longer than there is something.
    const bool all_said = !console_ && !streams_->held() && streams_->quiet();
    return exit_status_ && all_said ? exit_status_ : std::nullopt;
}

}  // namespace drydock
