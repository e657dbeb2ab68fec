#include "03-cgroups/container_control.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/oom_events.hpp"
#include "03-cgroups/record.hpp"
#include "03-cgroups/runtime_log.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// The cgroup of a container, which stays when this goes.
class LentCgroup {
  public:
    explicit LentCgroup(const ContainerState& state) : cgroup_(open_cgroup(state.cgroup)) {
        if (!cgroup_) {
            throw InputError(fmt::format("container \"{}\" has no cgroup of its own", state.id));
        }
    }
    ~LentCgroup() { cgroup_.release(); }
    LentCgroup(const LentCgroup&) = delete;
    LentCgroup& operator=(const LentCgroup&) = delete;
    LentCgroup(LentCgroup&&) = delete;
    LentCgroup& operator=(LentCgroup&&) = delete;

    Cgroup* operator->() { return &cgroup_; }
    Cgroup& operator*() { return cgroup_; }

  private:
    Cgroup cgroup_;
};

void expect_status(const ContainerState& state, std::string_view status, bool right,
                   std::string_view expected) {
    if (!right) {
        throw InputError(fmt::format("container \"{}\" is {}; expected one that is {}", state.id,
                                     status, expected));
    }
}

void expect_live(const ContainerState& state) {
    const std::string_view status = status_of(state);
    expect_status(state, status, status == "running" || status == "created", "created or running");
}

}  // namespace

void pause_container(const fs::path& root, const std::string& id) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    const std::string_view status = full_status(state);
    expect_status(state, status, status == "running" || status == "created", "created or running");
    LentCgroup(state)->freeze();
}

void resume_container(const fs::path& root, const std::string& id) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    const std::string_view status = full_status(state);
    expect_status(state, status, status == "paused", "paused");
    LentCgroup(state)->thaw();
}

std::vector<pid_t> processes_of_container(const fs::path& root, const std::string& id) {
    const ContainerState state = load_state(root, id);
    expect_live(state);
    return LentCgroup(state)->pids();
}

CgroupStatistics usage_of_container(const fs::path& root, const std::string& id) {
    const ContainerState state = load_state(root, id);
    expect_live(state);
    return LentCgroup(state)->statistics();
}

std::string statistics_of_container(const fs::path& root, const std::string& id) {
    const ContainerState state = load_state(root, id);
    expect_live(state);
    return fmt::format(R"({{"type":"stats","id":"{}","data":{}}})", id,
                       to_json(LentCgroup(state)->statistics()));
}

void update_container(const fs::path& root, const std::string& id, const Limits& limits,
                      std::span<const DeviceRule> rules) {
    const ContainerLock lock(root, id);
    const ContainerState state = load_state(root, id);
    expect_live(state);
    LentCgroup cgroup(state);
    cgroup->set(limits);
    if (!rules.empty()) {
        cgroup->set_devices(rules);
    }
    for (const std::string& warning : cgroup->warnings()) {
        warn(warning);
    }
}

void follow_events(const fs::path& root, const std::string& id, std::chrono::milliseconds interval,
                   const std::function<void(const std::string&)>& print) {
    const ContainerState state = load_state(root, id);
    expect_live(state);
    LentCgroup cgroup(state);
    OomEvents oom = cgroup->oom_events();
    const UniqueFd pidfd = open_pidfd(state.init.pid);
    while (pidfd && alive(state.init)) {
        std::array<pollfd, 2> events{{{.fd = oom.fd(), .events = POLLIN, .revents = 0},
                                      {.fd = pidfd.get(), .events = POLLIN, .revents = 0}}};
        const int rc = ::poll(events.data(), events.size(), static_cast<int>(interval.count()));
        if (rc == -1) {
            check(errno == EINTR ? 0 : -1, "poll()");
            continue;
        }
        if (events[0].revents != 0 && oom.take() > 0) {
            print(fmt::format(R"({{"type":"oom","id":"{}"}})", id));
        }
        if (events[1].revents != 0) {
            return;
        }
        if (rc == 0) {
            print(fmt::format(R"({{"type":"stats","id":"{}","data":{}}})", id,
                              to_json(cgroup->statistics())));
        }
    }
}

}  // namespace drydock
