#include "03-cgroups/shim_process.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <system_error>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/programs.hpp"
#include "03-cgroups/state.hpp"

#include "shim_launch.hpp"
#include "shim_protocol.hpp"
#include "shim_report.hpp"
#include "spawn.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// A pidfd of `process` if it still is that process.
UniqueFd pidfd_of(const ProcessIdentity& process) {
    const long fd = process.pid > 0 ? ::syscall(SYS_pidfd_open, process.pid, 0) : -1;
    UniqueFd pidfd(static_cast<int>(fd));
    // Only now: what the pid meant before it was opened says nothing about what was opened.
    return pidfd && alive(process) ? std::move(pidfd) : UniqueFd();
}

SpawnRequest spawn_request(const ShimRequest& request, int control_fd, int report_fd) {
    SpawnRequest result{.program = program_beside("drydock-shim"),
                        .arguments = {"--root", request.runtime_root.native(), "--bundle",
                                      request.bundle.native(), "--log", request.log_file.native()},
                        .stdin_fd = control_fd,
                        .stdout_fd = report_fd,
                        .own_session = true};
    if (!request.explain_file.empty()) {
        result.arguments.insert(result.arguments.end(),
                                {"--explain-file", request.explain_file.native()});
    }
    if (request.log_limits.max_bytes > 0) {
        result.arguments.insert(result.arguments.end(),
                                {"--log-max-size", std::to_string(request.log_limits.max_bytes),
                                 "--log-max-file", std::to_string(request.log_limits.max_files)});
    }
    if (request.open_stdin) {
        result.arguments.emplace_back("--open-stdin");
    }
    if (request.stdin_once) {
        result.arguments.emplace_back("--stdin-once");
    }
    if (request.rows != 0 && request.columns != 0) {
        result.arguments.insert(
            result.arguments.end(),
            {"--rows", std::to_string(request.rows), "--columns", std::to_string(request.columns)});
    }
    result.arguments.insert(result.arguments.end(),
                            {"--hold", std::to_string(request.hold.count())});
    for (const std::string& step : request.without) {
        result.arguments.insert(result.arguments.end(), {"--without", step});
    }
    result.arguments.push_back(request.id);
    return result;
}

std::pair<UniqueFd, UniqueFd> socket_pair() {
    std::array<int, 2> pair{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()),
          "socketpair(AF_UNIX, SOCK_SEQPACKET)");
    return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

/// Gives the shim those who are attached before the start, and lets it begin.
void hand_over(UniqueFd control, std::vector<Attachment> attachments) {
    try {
        for (Attachment& attachment : attachments) {
            const OutgoingMessage out = attach_message(std::move(attachment));
            std::vector<int> fds;
            for (const UniqueFd& fd : out.fds) {
                fds.push_back(fd.get());
            }
            send_message(control.get(), out.message, fds);
        }
        send_message(control.get(), {.verb = Verb::Start});
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): the shim has ended, and
                                          // its report says why
    }
}

}  // namespace

ShimLines make_shim_lines() {
    ShimLines lines;
    std::tie(lines.control, lines.its_control) = socket_pair();
    lines.report = make_pipe();
    return lines;
}

ShimOptions options_of(const ShimRequest& request) {
    return {.root = request.runtime_root,
            .bundle = request.bundle,
            .id = request.id,
            .log_file = request.log_file,
            .explain_file = request.explain_file,
            .log_limits = request.log_limits,
            .open_stdin = request.open_stdin,
            .stdin_once = request.stdin_once,
            .rows = request.rows,
            .columns = request.columns,
            .hold = request.hold,
            .walk = {.without = request.without}};
}

StartedContainer finish_start(ShimLines lines, std::vector<Attachment> attachments, pid_t pid,
                              UniqueFd pidfd, bool reap) {
    constexpr std::size_t kMaxReport = std::size_t{1} << 20U;
    lines.its_control = UniqueFd();
    lines.report.write = UniqueFd();
    hand_over(std::move(lines.control), std::move(attachments));
    const ShimReport report =
        parse_report(read_all(lines.report.read.get(), kMaxReport, "the shim's report"));
    if (report.pid == 0) {
        if (reap) {
            wait_for({.pid = pid, .pidfd = std::move(pidfd)});
        }
        throw SetupError(report.error,
                         std::error_code(report.error_number, std::generic_category()),
                         report.exit_status);
    }
    StartedContainer started{.pid = report.pid, .shim_pidfd = std::move(pidfd)};
    started.pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, report.pid, 0)));
    // The command may be over and reaped by now, and its pid a stranger's: only a child of the shim
    // is the container.
    if (!started.pidfd || parent_of(report.pid) != pid) {
        started.pidfd = UniqueFd(
            check(::fcntl(started.shim_pidfd.get(), F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
    }
    return started;
}

StartedContainer start_shim(ShimRequest request) {
    ShimLines lines = make_shim_lines();
    Spawned shim = spawn(spawn_request(request, lines.its_control.get(), lines.report.write.get()));
    return finish_start(std::move(lines), std::move(request.attachments), shim.pid,
                        std::move(shim.pidfd), true);
}

std::optional<StartedContainer> reconnect(const std::string& id, const fs::path& runtime_root) {
    std::error_code ignored;
    if (!fs::exists(runtime_root / id / "state.json", ignored)) {
        return std::nullopt;
    }
    const ContainerState state = load_state(runtime_root, id);
    if (state.boot_id != this_boot_id()) {
        return std::nullopt;
    }
    StartedContainer found{
        .pid = state.init.pid, .pidfd = pidfd_of(state.init), .shim_pidfd = pidfd_of(state.keeper)};
    return found.shim_pidfd ? std::optional(std::move(found)) : std::nullopt;
}

std::optional<ExitRecord> read_exit_record(const fs::path& bundle) {
    const fs::path file = bundle / "exit.json";
    std::error_code ignored;
    if (!fs::exists(file, ignored)) {
        return std::nullopt;
    }
    try {
        const auto json = nlohmann::json::parse(read_file(file, 65536));
        return ExitRecord{.exit_status = json.at("exit_status").get<int>(),
                          .oom_killed = json.at("oom_killed").get<bool>(),
                          .finished_at = json.at("finished_at").get<std::string>()};
    } catch (const nlohmann::json::exception& e) {
        throw InputError(fmt::format("{}: {}", file.native(), e.what()));
    }
}

}  // namespace drydock
