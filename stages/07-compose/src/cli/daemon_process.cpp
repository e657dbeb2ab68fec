#include "07-compose/cli/daemon_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"

namespace drydock::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto kStartDeadline = 15s;
constexpr auto kStopDeadline = 30s;
constexpr const char* kDaemon = "drydock-daemon";

/// "mkdir -p", closed to others.
void make_directory(const std::filesystem::path& path) {
    if (!std::filesystem::is_directory(path)) {
        std::filesystem::create_directories(path.parent_path());
        if (::mkdir(path.c_str(), 0700) == -1 && errno != EEXIST) {
            check(-1, "mkdir({})", path.native());
        }
    }
}

class SpawnActions {
  public:
    SpawnActions() { check_error(::posix_spawn_file_actions_init(&actions_)); }
    ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    SpawnActions(SpawnActions&&) = delete;
    SpawnActions& operator=(SpawnActions&&) = delete;

    void use(int fd, int as) { check_error(::posix_spawn_file_actions_adddup2(&actions_, fd, as)); }
    [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

  private:
    static void check_error(int error) {
        if (error != 0) {
            throw std::system_error(error, std::generic_category(), "posix_spawn_file_actions");
        }
    }
    posix_spawn_file_actions_t actions_{};
};

/// A process that outlives us; no Child, whose destructor would end it.
struct Daemon {
    pid_t pid = -1;
    UniqueFd pidfd{};
};

/// Starts the daemon in its own session: Ctrl-C on our terminal is not meant for it.
Daemon spawn_daemon(const Host& host, const Roots& roots, int log) {
    const std::string program = program_beside_us(kDaemon);
    std::array<std::string, 7> words = {
        program,      "--host",          host.name, "--data-root", roots.data.native(),
        "--run-root", roots.run.native()};
    std::array<char*, 8> argv{};
    std::ranges::transform(words, argv.begin(), [](std::string& word) { return word.data(); });
    SpawnActions actions;
    const UniqueFd null = open_file("/dev/null", O_RDONLY);
    actions.use(null.get(), 0);
    actions.use(log, 1);
    actions.use(log, 2);
    posix_spawnattr_t attributes{};
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, program.c_str(), actions.get(), &attributes, argv.data(),
                                    environ);  // NOLINT(concurrency-mt-unsafe)
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        throw SetupError(fmt::format("{}: {}", program, std::generic_category().message(error)),
                         std::error_code(error, std::generic_category()), kSetupFailed);
    }
    return {.pid = pid,
            .pidfd = UniqueFd(
                static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open({})", pid)))};
}

std::string last_line(const std::filesystem::path& file) {
    std::string text = read_file(file);
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    return text.substr(text.rfind('\n') + 1);
}

/// Whether there is somebody behind the socket.
bool listens(const Host& host) {
    try {
        const UniqueFd connection = connect_to(host);
        return true;
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::no_such_file_or_directory ||
            e.code() == std::errc::connection_refused) {
            return false;
        }
        throw;
    }
}

bool readable_within(int fd, std::chrono::milliseconds time) {
    pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, static_cast<int>(time.count())) > 0;
}

[[noreturn]] void throw_not_started(const std::string& what, const std::filesystem::path& log) {
    throw SetupError(fmt::format("the daemon did not start: {} (its log: {})", what, log.native()),
                     {}, kSetupFailed);
}

void start_daemon(const Engine& engine) {
    const Roots roots = default_roots();
    check(::access(program_beside_us(kDaemon).c_str(), X_OK),
          "no daemon answers at {}, and none can be started: access({})", engine.host().name,
          program_beside_us(kDaemon));
    make_directory(roots.data);
    make_directory(roots.run);
    // Two commands at the same time start one daemon: the second waits here, and then finds it.
    const UniqueFd lock = open_file(roots.run / "start.lock", O_RDWR | O_CREAT, 0600);
    check(::flock(lock.get(), LOCK_EX), "flock({})", (roots.run / "start.lock").native());
    if (engine.answers()) {
        return;
    }
    const std::filesystem::path log_file = roots.data / "daemon.log";
    const UniqueFd log = open_file(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    const Daemon daemon = spawn_daemon(engine.host(), roots, log.get());
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    while (!engine.answers()) {
        // Polling its pidfd is how we sleep: a daemon that ends wakes us.
        if (readable_within(daemon.pidfd.get(), 5ms)) {
            throw_not_started(last_line(log_file), log_file);
        }
        if (std::chrono::steady_clock::now() > deadline) {
            static_cast<void>(::kill(daemon.pid, SIGTERM));
            throw_not_started(fmt::format("no answer within {} s", kStartDeadline.count()),
                              log_file);
        }
    }
    static_cast<void>(std::fprintf(
        stderr,
        "drydock: started the daemon (pid %d; log in %s; ends with 'drydock daemon stop')\n",
        daemon.pid, log_file.c_str()));
}

}  // namespace

Engine connect_or_start(const std::string& host_flag) {
    Engine engine(chosen_host(host_flag));
    if (engine.host().is_default && !listens(engine.host())) {
        start_daemon(engine);
    }
    return engine;
}

bool stop_daemon(const Host& host) {
    if (host.path.empty()) {
        throw InputError(fmt::format("daemon stop: {} is not a socket of this machine", host.name));
    }
    if (!listens(host)) {
        return false;
    }
    const UniqueFd socket = connect_to(host);
    ucred peer{};
    socklen_t size = sizeof peer;
    // Who called listen(2): no file with a pid in it can be as fresh.
    check(::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size),
          "getsockopt(SO_PEERCRED)");
    const UniqueFd pidfd(static_cast<int>(
        check(::syscall(SYS_pidfd_open, peer.pid, 0), "pidfd_open({})", peer.pid)));
    check(::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGTERM, nullptr, 0),
          "pidfd_send_signal(the daemon, SIGTERM)");
    if (!readable_within(pidfd.get(), kStopDeadline)) {
        throw SetupError(fmt::format("the daemon at {} has not ended within {} s", host.name,
                                     kStopDeadline.count()),
                         {}, 1);
    }
    return true;
}

std::string program_beside_us(const std::string& name) {
    const char* directory = std::getenv("DRYDOCK_PROGRAMS");  // NOLINT(concurrency-mt-unsafe)
    const auto beside = directory != nullptr
                            ? std::filesystem::path(directory)
                            : std::filesystem::read_symlink("/proc/self/exe").parent_path();
    return (beside / name).native();
}

void become_program(const std::string& name, const std::vector<std::string>& arguments) {
    std::string program = program_beside_us(name);
    std::vector<std::string> words = arguments;
    std::vector<char*> argv{program.data()};
    std::ranges::transform(words, std::back_inserter(argv),
                           [](std::string& word) { return word.data(); });
    argv.push_back(nullptr);
    ::execv(program.c_str(), argv.data());
    const std::error_code error(errno, std::generic_category());
    throw SetupError(fmt::format("{}: {}", program, error.message()), error,
                     exit_status_of_exec_error(error.value()));
}

}  // namespace drydock::cli
