// How a container starts and ends: start, stop, kill, and the watching of its shim. What a new
// daemon finds is in recovery.cpp.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "03-cgroups/shim_process.hpp"
#include "03-cgroups/state.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/signal_name.hpp"

#include "engine/ending.hpp"
#include "engine/entry.hpp"
#include "engine/exec_entry.hpp"
#include "engine/restart_policy.hpp"
#include "engine/volume_parts.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kDefaultGrace{10};

/// Takes the status of a shim that has ended, which is our child unless an earlier daemon started
/// it.
void reap(int pidfd) {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 &&
           errno == EINTR) {
    }
}

void send_signal(int pidfd, int number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) != 0 && errno != ESRCH) {
        check(-1, "pidfd_send_signal(signal={})", number);
    }
}

std::vector<std::string> split_at_commas(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto comma = text.find(',');
        parts.emplace_back(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    }
    return parts;
}

/// What --explain and --without of the command line became on their way here.
void read_annotations(const std::map<std::string, std::string>& annotations,
                      const std::filesystem::path& explain_file, ShimRequest& request) {
    if (const auto found = annotations.find("drydock.explain");
        found != annotations.end() && found->second == "1") {
        request.explain_file = explain_file;
    }
    if (const auto found = annotations.find("drydock.without"); found != annotations.end()) {
        request.without = split_at_commas(found->second);
    }
}

}  // namespace

// [region: start]
void Engine::start(std::string_view name) {
    const EntryPtr one = entry(name);
    const std::lock_guard operation(one->operation);
    {
        const std::lock_guard lock(mutex_);
        ContainerStatus& state = one->container.state;
        if (one->removed) {
            throw EngineError(Refusal::NotFound, fmt::format("No such container: {}", name));
        }
        if (state.paused) {
            throw EngineError(Refusal::Conflict,
                              "cannot start a paused container, try unpause instead");
        }
        if (is_up(state)) {
            throw EngineError(Refusal::NotModified, fmt::format("Container {} runs already", name));
        }
        // On disk before the shim exists: a daemon that dies from here on finds the container all
        // the same.
        state.starting = true;
        state.stop_asked = false;
        state.boot_id = this_boot_id();
        save_state(one);
    }
    launch(one);
}
// [/region]

void Engine::launch(const EntryPtr& one, bool by_policy) {
    const std::string& id = one->container.id;
    const auto job = jobs_.begin("start", one->container.name);
    ShimRequest request{.bundle = store_.directory(id),
                        .id = id,
                        .runtime_root = runtime_root(),
                        .log_file = store_.log_file(id),
                        .log_limits = one->container.config.log_limits,
                        .open_stdin = one->container.config.open_stdin,
                        .stdin_once = one->container.config.stdin_once,
                        .rows = one->container.config.rows,
                        .columns = one->container.config.columns};
    {
        const std::lock_guard lock(mutex_);
        request.attachments = std::exchange(one->attachments, {});
    }
    read_annotations(one->container.config.annotations, store_.explain_file(id), request);
    const Time began = now();
    try {
        std::filesystem::remove(request.bundle / "exit.json");
        share_namespaces(one);
        const VolumeParts parts(one->container.config.mounts, shared_place(id));
        start_network(one);
        StartedContainer started = zygote_.start(std::move(request));
        networks_.started(id, started.pid, started.pidfd.get());
        const std::lock_guard lock(mutex_);
        ContainerStatus& state = one->container.state;
        state = {.status = Status::Running,
                 .pid = started.pid,
                 .restart_count = by_policy ? state.restart_count + 1 : 0,
                 .started_at = began,
                 .boot_id = state.boot_id};
        ++one->start_number;
        one->back_off = by_policy ? one->back_off : 0ms;
        one->pidfd = std::move(started.pidfd);
        one->shim_pidfd = std::move(started.shim_pidfd);
        save_state(one);
        tell_of_mounts(one->container, "mount");
        tell_of_networks(one->container, "connect");
        tell(one->container, "start");
        watcher_->watch(one->shim_pidfd.get(), id);
    } catch (const SetupError& e) {
        job->failed(e.what());
        start_failed(one, e.exit_status(), e.what());
        throw;
    } catch (const std::exception& e) {
        job->failed(e.what());
        start_failed(one, kSetupFailed, e.what());
        throw;
    }
    begin_health_watch(one);
    job->done();
}

void Engine::start_failed(const EntryPtr& one, int exit_code, const std::string& error) {
    networks_.stop(one->container.id);
    unshare_namespaces(one->container);
    bool remove_it = false;
    {
        const std::lock_guard lock(mutex_);
        ContainerStatus& state = one->container.state;
        const bool by_policy = state.status == Status::Restarting;
        state.starting = false;
        state.status = by_policy ? Status::Exited : state.status;
        state.exit_code = exit_code;
        state.error = error;
        state.finished_at = now();
        save_state(one);
        if (by_policy) {
            release(*one, WaitCondition::NextExit);
        }
        remove_it = one->container.config.auto_remove;
    }
    if (remove_it) {
        discard(one, true);
    }
}

void Engine::on_exit(const std::string& name) {
    try {
        if (name.starts_with(kExecPrefix)) {
            on_exec_end(name.substr(kExecPrefix.size()));
            return;
        }
        const EntryPtr one = entry(name);
        // start() may still be on its way out.
        const std::lock_guard operation(one->operation);
        if (const auto delay = note_exit(one)) {
            start_later(one, *delay);
        } else if (one->container.config.auto_remove && !one->between_stop_and_start) {
            discard(one, true);
        }
    } catch (const std::exception& e) {
        fmt::print(stderr, "drydock-daemon: container {}: {}\n", name, e.what());
    }
}

std::optional<std::chrono::milliseconds> Engine::note_exit(const EntryPtr& one) {
    one->health_watch.reset();
    reap(one->shim_pidfd.get());
    const auto record = read_exit_record(store_.directory(one->container.id));
    if (!record) {
        // The shim was killed: nobody empties the container's pipes or its cgroup any more.
        delete_container(runtime_root(), one->container.id, Deletion::Forced);
    }
    networks_.stop(one->container.id);
    unshare_namespaces(one->container);
    const std::lock_guard lock(mutex_);
    ContainerStatus& state = one->container.state;
    set_ended(state, record, kKilled);
    one->pidfd = UniqueFd();
    one->shim_pidfd = UniqueFd();
    if (state.oom_killed) {
        tell(one->container, "oom");
    }
    tell(one->container, "die", {{"exitCode", std::to_string(state.exit_code)}});
    tell_of_networks(one->container, "disconnect");
    tell_of_mounts(one->container, "unmount");
    std::optional<std::chrono::milliseconds> delay;
    if (!one->between_stop_and_start && is_restarted(one->container.config.restart, state)) {
        delay = next_back_off(one->back_off, state);
        one->back_off = *delay;
        state.status = Status::Restarting;
    }
    save_state(one);
    release(*one, WaitCondition::NextExit);
    return delay;
}

void Engine::signal(const EntryPtr& one, int number) {
    {
        const std::lock_guard lock(mutex_);
        if (!one->pidfd) {
            return;
        }
        one->container.state.stop_asked = one->container.state.stop_asked || number == SIGKILL;
        tell(one->container, "kill", {{"signal", std::to_string(number)}});
        send_signal(one->pidfd.get(), number);
    }
    if (number == SIGKILL) {
        thaw(one);  // who is frozen does not die
    }
}

bool Engine::await_end(const EntryPtr& one, std::optional<std::chrono::milliseconds> timeout) {
    const auto waiter = add_waiter(one, WaitCondition::NotRunning);
    std::array<pollfd, 2> events{{{waiter->event.get(), POLLIN, 0}, {stopping_.get(), POLLIN, 0}}};
    const int milliseconds = timeout ? static_cast<int>(timeout->count()) : -1;
    check(::poll(events.data(), events.size(), milliseconds), "poll(end of a container)");
    return (events[0].revents & POLLIN) != 0;
}

void Engine::stop(std::string_view name, const StopRequest& request) {
    const EntryPtr one = entry(name);
    const ContainerConfig& config = one->container.config;
    const std::string its_own = config.stop_signal.empty() ? "SIGTERM" : config.stop_signal;
    const int number = parse_signal(request.signal.value_or(its_own));
    const auto grace = request.grace.value_or(
        config.stop_timeout ? std::chrono::seconds(*config.stop_timeout) : kDefaultGrace);
    {
        const std::lock_guard operation(one->operation);  // a start() under way comes first
        const std::lock_guard lock(mutex_);
        if (!is_up(one->container.state)) {
            throw EngineError(Refusal::NotModified, fmt::format("Container {} does not run", name));
        }
        one->container.state.stop_asked = true;
    }
    const Container container = find(one->container.id);
    if (give_up_restart(one)) {
        tell(container, "stop");
        return;
    }
    signal(one, number);
    thaw(one);
    if (!await_end(one,
                   grace < 0s ? std::nullopt : std::optional<std::chrono::milliseconds>(grace))) {
        signal(one, SIGKILL);
        await_end(one, std::nullopt);
    }
    tell(container, "stop");
}

void Engine::restart(std::string_view name, const StopRequest& request) {
    const EntryPtr one = entry(name);
    const auto hold = [&](bool held) {
        const std::lock_guard lock(mutex_);
        one->between_stop_and_start = held;
    };
    const std::string id = one->container.id;
    hold(true);
    try {
        try {
            stop(id, request);
        } catch (const EngineError& e) {
            if (e.refusal() != Refusal::NotModified) {
                throw;
            }
        }
        start(id);
    } catch (...) {
        hold(false);
        throw;
    }
    hold(false);
    tell(find(id), "restart");
}

void Engine::kill(std::string_view name, std::string_view signal_name) {
    const EntryPtr one = entry(name);
    const int number = parse_signal(signal_name.empty() ? "SIGKILL" : signal_name);
    bool asks_to_end = false;
    {
        const std::lock_guard operation(one->operation);
        const std::lock_guard lock(mutex_);
        ContainerStatus& state = one->container.state;
        if (state.status != Status::Running) {
            throw EngineError(
                Refusal::Conflict,
                fmt::format("Cannot kill container: {}: Container {} is {}", name,
                            one->container.id,
                            state.status == Status::Restarting ? "restarting" : "not running"));
        }
        const std::string& its_own = one->container.config.stop_signal;
        asks_to_end =
            number == SIGKILL || number == parse_signal(its_own.empty() ? "SIGTERM" : its_own);
        state.stop_asked = state.stop_asked || asks_to_end;
        save_state(one);
    }
    signal(one, number);
    if (asks_to_end) {
        thaw(one);
    }
}

void Engine::stop_waiting() {
    ::eventfd_write(stopping_.get(), 1);
}

bool Engine::waiting_ended() const {
    pollfd event{stopping_.get(), POLLIN, 0};
    return ::poll(&event, 1, 0) > 0;
}

}  // namespace drydock
