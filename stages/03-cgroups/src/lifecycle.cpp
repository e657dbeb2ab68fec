#include "03-cgroups/lifecycle.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <system_error>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/bundle.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

void print(const std::string& line) {
    if (!line.empty()) {
        static_cast<void>(std::fprintf(stderr, "drydock-runtime: %s\n", line.c_str()));
    }
}

/// Where make_cgroup() puts a group of this path, below the root.
std::string place_path(const std::string& cgroup_path) {
    return cgroup_path.starts_with("/") ? cgroup_path.substr(1) : "drydock/" + cgroup_path;
}

void write_pid_file(const fs::path& file, pid_t pid) {
    const fs::path directory = file.has_parent_path() ? file.parent_path() : ".";
    replace_file(open_file(directory, O_RDONLY | O_DIRECTORY).get(), file.filename(),
                 std::to_string(pid), 0644, Lasts::Kill);
}

/// Signals the process that `who` says and no later one with its pid. @return false when it has
/// ended
bool send_signal(const ProcessIdentity& who, int signal) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, who.pid, 0)));
    if (!pidfd || !alive(who)) {
        return false;
    }
    check(::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0),
          "pidfd_send_signal(pidfd of pid {}, sig={})", who.pid, signal);
    return true;
}

/// Whoever waits for the container removes what it made: two who remove the same thing would trip
/// over each other.
void await_end(const ProcessIdentity& keeper) {
    constexpr int kDeadlineMs = 10'000;
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, keeper.pid, 0)));
    if (pidfd && alive(keeper)) {
        pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
        check(::poll(&ended, 1, kDeadlineMs), "poll(pidfd of pid {})", keeper.pid);
    }
}

/// A group that was being made when its maker died may be in either place.
void remove_cgroups(const ContainerState& state) {
    for (const bool below_own : {false, true}) {
        Cgroup cgroup = open_cgroup({.path = state.cgroup.path, .below_own = below_own});
        cgroup.kill();
        cgroup.remove();
    }
}

/// What is left of a container whose state cannot be read any more: its group is named after it
/// unless the bundle says otherwise.
void delete_damaged(const fs::path& root, const std::string& id) {
    remove_cgroups({.cgroup = {.path = place_path(id)}});
    remove_state(root, id);
}

}  // namespace

Record::Record(const fs::path& root, const std::string& id, const fs::path& bundle,
               const std::string& cgroup_path)
    : entry_(root, id),
      state_{.id = id,
             .bundle = bundle,
             .keeper = identify(::getpid()).value_or(ProcessIdentity()),
             .boot_id = this_boot_id(),
             .cgroup = {.path = place_path(cgroup_path)},
             .created = timestamp()} {
    entry_.save(state_);
}

void Record::running(stage03::Running& running) {
    state_.init = identify(running.child().pid()).value_or(ProcessIdentity());
    if (running.cgroup()) {
        state_.cgroup = running.cgroup().place();
    }
    entry_.save(state_);
}

stage03::Ended run_container(const RunRequest& request) {
    check_container_id(request.id);
    Bundle bundle = load_bundle(request.bundle, request.id);
    for (const std::string& warning : bundle.warnings) {
        print("warning: " + warning);
    }
    bundle.options.walk = request.walk;
    Record record(request.root, request.id, bundle.directory, bundle.options.cgroup_path);
    const stage03::Ended ended = stage03::run(bundle.options, [&](stage03::Running& running) {
        record.running(running);
        if (!request.pid_file.empty()) {
            write_pid_file(request.pid_file, running.child().pid());
        }
    });
    print(oom_text(ended.exit_status, ended.oom_killed, bundle.options.limits));
    return ended;
}

std::string state_json(const ContainerState& state) {
    const std::string_view status = status_of(state);
    nlohmann::ordered_json json = {{"ociVersion", "1.0.2"}, {"id", state.id}, {"status", status}};
    json["pid"] = status == "running" ? state.init.pid : 0;
    json["bundle"] = state.bundle.native();
    json["created"] = state.created;
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int signal_number(const std::string& text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && number >= 0 &&
        number <= SIGRTMAX) {
        return number;
    }
    const std::string name = text.starts_with("SIG") ? text.substr(3) : text;
    for (int candidate = 1; candidate <= SIGRTMAX; ++candidate) {
        const char* known = ::sigabbrev_np(candidate);
        if (known != nullptr && name == known) {
            return candidate;
        }
    }
    throw InputError(fmt::format("signal \"{}\": expected a number or a name as in SIGTERM", text));
}

void kill_container(const fs::path& root, const std::string& id, int signal) {
    const ContainerState state = load_state(root, id);
    if (status_of(state) != "running" || !send_signal(state.init, signal)) {
        throw InputError(fmt::format("container \"{}\" is {}, not running", id, status_of(state)));
    }
}

void delete_container(const fs::path& root, const std::string& id, Deletion deletion) {
    check_container_id(id);
    std::error_code ignored;
    if (deletion == Deletion::Forced && !fs::exists(root / id, ignored)) {
        return;
    }
    ContainerState state;
    try {
        state = load_state(root, id);
    } catch (const InputError&) {
        if (deletion != Deletion::Forced) {
            throw;
        }
        delete_damaged(root, id);
        return;
    }
    const std::string_view status = status_of(state);
    if (deletion == Deletion::OfStopped && status != "stopped") {
        throw InputError(
            fmt::format("container \"{}\" is {}; stop it first, or use --force", id, status));
    }
    if (state.boot_id == this_boot_id()) {
        // One that is only being made ends with its maker.
        send_signal(state.init.pid != 0 ? state.init : state.keeper, SIGKILL);
        await_end(state.keeper);
    }
    remove_cgroups(state);
    remove_state(root, id);
}

}  // namespace drydock
