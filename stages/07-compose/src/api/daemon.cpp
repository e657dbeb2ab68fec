#include "07-compose/api/daemon.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/signals.hpp"
#include "03-cgroups/program_memory.hpp"
#include "06-registry/http_server.hpp"
#include "07-compose/api/rootless.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

std::filesystem::path from_environment(const char* variable,
                                       const std::filesystem::path& otherwise) {
    // Read once at the start, when there is one thread.
    const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && *value != '\0' ? std::filesystem::path(value) : otherwise;
}

std::string checked_host(const DaemonOptions& options) {
    if (options.host.empty()) {
        return "unix://" + std::filesystem::absolute(options.run_root / "drydock.sock").native();
    }
    if (!options.host.starts_with("unix://")) {
        throw NotImplemented(
            fmt::format("listening on {}: give --host unix:///PATH", options.host));
    }
    const std::string path = options.host.substr(7);
    return "unix://" + std::filesystem::absolute(path).native();
}

/// Calls `on_signal` when SIGTERM or SIGINT comes, which every thread must have blocked.
class SignalThread {
  public:
    explicit SignalThread(std::function<void()> on_signal) : end_(make_pipe()) {
        sigset_t wanted;
        ::sigemptyset(&wanted);
        ::sigaddset(&wanted, SIGTERM);
        ::sigaddset(&wanted, SIGINT);
        signals_ =
            UniqueFd(check(::signalfd(-1, &wanted, SFD_CLOEXEC), "signalfd(SIGTERM SIGINT)"));
        thread_ = std::thread([this, run = std::move(on_signal)] {
            std::array<pollfd, 2> events{{{signals_.get(), POLLIN, 0}, {end_.read.get(), 0, 0}}};
            while (::poll(events.data(), events.size(), -1) < 0) {
            }
            if (events[0].revents != 0) {
                // Taken, not only seen: what is still pending when the signals are unblocked kills.
                signalfd_siginfo taken{};
                check(::read(signals_.get(), &taken, sizeof(taken)), "read(signalfd)");
                run();
            }
        });
    }
    ~SignalThread() {
        end_.write = UniqueFd();
        thread_.join();
    }
    SignalThread(const SignalThread&) = delete;
    SignalThread& operator=(const SignalThread&) = delete;
    SignalThread(SignalThread&&) = delete;
    SignalThread& operator=(SignalThread&&) = delete;

  private:
    UniqueFd signals_{};
    Pipe end_{};
    std::thread thread_{};
};

}  // namespace

DaemonOptions default_daemon_options() {
    if (::geteuid() == 0) {
        return {.data_root = "/var/lib/drydock", .run_root = "/run/drydock"};
    }
    const auto home = from_environment("HOME", "/");
    return {.data_root = from_environment("XDG_DATA_HOME", home / ".local/share") / "drydock",
            .run_root = from_environment("XDG_RUNTIME_DIR", home / ".local/run") / "drydock"};
}

int run_daemon(const DaemonOptions& options) {
    const std::string host = checked_host(options);
    std::filesystem::create_directories(options.run_root);
    check(::chmod(options.run_root.c_str(), 0700), "chmod({}, 0700)", options.run_root.native());
    // Before any other thread is made, so that all of them have the signals blocked.
    const BlockedSignals blocked;
    if (options.outer >= 0) {
        check(::fcntl(options.outer, F_SETFD, FD_CLOEXEC), "fcntl({}, FD_CLOEXEC)", options.outer);
    }
    Engine engine({.data_root = options.data_root,
                   .run_root = options.run_root,
                   .use_nat = !options.no_nat,
                   .downloads_at_once = options.downloads_at_once,
                   .uploads_at_once = options.uploads_at_once,
                   .bind_port = options.outer >= 0 ? bind_outside(options.outer) : BindPort()});
    HttpServer server(
        {.listen = {host}, .common_headers = api::common_headers(), .stall_timeout = 0ms},
        [&](HttpExchange& http) { api::answer(http, engine); });
    const SignalThread signals([&] {
        engine.stop_waiting();
        server.stop();
    });
    fmt::print("drydock-daemon: listening on {}, data root {}\n", server.addresses().front(),
               options.data_root.native());
    static_cast<void>(std::fflush(stdout));
    release_program_pages();
    server.run();
    return 0;
}

}  // namespace drydock
