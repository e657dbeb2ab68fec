// Health checks: a command is run in the container again and again, and its exit status is the
// container's health.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/exec_process.hpp"
#include "engine/health_watch.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;
using CheckTime = std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kMostHealthOutput = 4096;

std::pair<UniqueFd, UniqueFd> probe_sockets() {
    std::array<int, 2> fds{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()),
          "socketpair(AF_UNIX, SOCK_STREAM)");
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Reads to the end of the stream. @return false when `deadline` or `stop` came first
bool collect_output(int socket, int stop, SteadyTime deadline, std::string& output) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        std::array<pollfd, 2> events{{{socket, POLLIN, 0}, {stop, POLLIN, 0}}};
        const int ready = ::poll(events.data(), events.size(),
                                 static_cast<int>(std::clamp(left, 0ms, 3600'000ms).count()));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0 || events[1].revents != 0) {
            return false;
        }
        std::array<char, 4096> buffer{};
        const ssize_t got = ::read(socket, buffer.data(), buffer.size());
        if (got <= 0) {
            return true;
        }
        const std::size_t room = kMostHealthOutput - output.size();
        output.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
    }
}

/// One run. @throws InputError when the container ends meanwhile
HealthProbe probe_once(const Container& container, const std::filesystem::path& bundle,
                       const oci::Healthcheck& check, int stop) {
    HealthProbe probe{.start = now()};
    auto [ours, theirs] = probe_sockets();
    const CheckTime timeout(check.timeout);
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    ShimExecRequest request{.process =
                                process_for({.command = health_command(check)}, container, bundle)};
    request.attachment = Attachment{.socket = std::move(theirs)};
    ShimExec running = shim_exec(bundle, std::move(request));
    if (collect_output(ours.get(), stop, deadline, probe.output)) {
        probe.exit_code = running.wait();
    } else {
        running.signal(SIGKILL);
        probe.exit_code = -1;
        probe.output = fmt::format("Health check exceeded timeout ({:g}s)",
                                   std::chrono::duration<double>(timeout).count());
    }
    probe.end = now();
    return probe;
}

/// @return whether it was told to stop
bool rest(int stop, CheckTime time) {
    pollfd event{stop, POLLIN, 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(time);
    return ::poll(&event, 1, static_cast<int>(std::min(milliseconds, 86'400'000ms).count())) > 0;
}

}  // namespace

void Engine::begin_health_watch(const EntryPtr& one) {
    if (!has_health_check(one->container.config)) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        one->container.state.health.emplace();
    }
    // The entry outlives its thread: who removes it has ended the thread.
    one->health_watch = std::make_unique<HealthWatch>(
        [this, &entry = *one](int stop) { watch_health(entry, stop); });
}

void Engine::watch_health(Entry& one, int stop) {
    const oci::Healthcheck check = with_health_defaults(*one.container.config.healthcheck);
    const std::filesystem::path bundle = store_.directory(one.container.id);
    const SteadyTime warm = std::chrono::steady_clock::now() + CheckTime(check.start_period);
    while (true) {
        Container container;
        {
            const std::lock_guard lock(mutex_);
            container = one.container;
        }
        const bool starting = std::chrono::steady_clock::now() < warm && container.state.health &&
                              container.state.health->status == "starting";
        if (rest(stop, CheckTime(starting ? check.start_interval : check.interval))) {
            return;
        }
        try {
            if (find(container.id).state.paused) {
                continue;
            }
            note_health(one, probe_once(container, bundle, check, stop), check,
                        std::chrono::steady_clock::now() < warm);
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it ends in this moment;
                                           // then there is no health any more
        }
    }
}

void Engine::note_health(Entry& one, HealthProbe probe, const oci::Healthcheck& check,
                         bool in_start_period) {
    const std::lock_guard lock(mutex_);
    auto& health = one.container.state.health;
    if (!health) {
        return;
    }
    const std::string before = health->status;
    health = after_probe(std::move(*health), std::move(probe), check, in_start_period);
    if (health->status != before) {
        tell(one.container, "health_status: " + health->status);
    }
}

}  // namespace drydock
