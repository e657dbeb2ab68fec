#include "cgroup_v1.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "cgroup_directory.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// The group in one controller's tree, or in that of several when they are mounted together
/// ("cpu,cpuacct").
struct Member {
    std::vector<std::string> controllers{};
    CgroupDirectory directory{};
    UniqueFd tasks{};
};

bool no_permission(const std::system_error& e) {
    return e.code() == std::errc::permission_denied ||
           e.code() == std::errc::operation_not_permitted ||
           e.code() == std::errc::read_only_file_system;
}

/// A new cpuset has no CPU and no memory node, and nobody can join it: ENOSPC. It takes its
/// parent's.
void fill_cpuset(const CgroupDirectory& directory) {
    for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
        if (read_value(directory, file).value_or("x").empty()) {
            const CgroupDirectory parent = open_cgroup_directory(directory.path.parent_path());
            fill_cpuset(parent);
            write_once(directory.fd.get(), file, read_value(parent, file).value_or(""));
        }
    }
}

/// Until they are there.
void refuse_what_is_new(const Limits& limits) {
    const Limits old{.memory_bytes = limits.memory_bytes,
                     .memory_swap_bytes = limits.memory_swap_bytes,
                     .nano_cpus = limits.nano_cpus,
                     .cpu_period_us = limits.cpu_period_us,
                     .cpu_shares = limits.cpu_shares,
                     .pids = limits.pids};
    if (limits != old) {
        throw NotImplemented("limits other than memory, swap, CPU time, CPU shares and pids");
    }
}

class GroupV1 : public Group {
  public:
    /// Takes the directory in as the group's part in the tree of `controller`.
    void add(const std::string& controller, CgroupDirectory directory) {
        members_.push_back({.controllers = {controller}, .directory = std::move(directory)});
    }
    /// The one whose tree `controller` shares, if there is one.
    bool share(const std::string& controller, const fs::path& path) {
        const auto member =
            std::ranges::find(members_, path, [](const Member& m) { return m.directory.path; });
        if (member == members_.end()) {
            return false;
        }
        member->controllers.push_back(controller);
        return true;
    }
    [[nodiscard]] bool empty() const { return members_.empty(); }

    /// So that a child in another root, with other privileges, can join.
    void open_tasks() {
        for (Member& member : members_) {
            if (has(member, "cpuset")) {
                fill_cpuset(member.directory);
            }
            member.tasks = open_at(member.directory.fd.get(), "tasks", O_WRONLY);
        }
    }

    std::vector<std::string> set(const Limits& limits) override {
        refuse_what_is_new(limits);
        if (limits.memory_bytes) {
            write("memory", "memory.limit_in_bytes", *limits.memory_bytes);
        }
        // Swap is counted only on kernels that were told to (swapaccount=1).
        if (limits.memory_swap_bytes &&
            read_value(require("memory"), "memory.memsw.limit_in_bytes")) {
            write("memory", "memory.memsw.limit_in_bytes", *limits.memory_swap_bytes);
        }
        if (limits.nano_cpus) {
            write("cpu", "cpu.cfs_period_us", limits.cpu_period_us);
            write("cpu", "cpu.cfs_quota_us", cpu_quota_us(limits));
        }
        if (limits.cpu_shares) {
            write("cpu", "cpu.shares", *limits.cpu_shares);
        }
        if (limits.pids) {
            write("pids", "pids.max", *limits.pids);
        }
        return {};
    }

    [[nodiscard]] std::vector<pid_t> pids() const override {
        std::vector<pid_t> all;
        for (const Member& member : members_) {
            std::ranges::copy(processes_below(member.directory.path), std::back_inserter(all));
        }
        std::ranges::sort(all);
        all.erase(std::ranges::unique(all).begin(), all.end());
        return all;
    }

    void set_devices(std::span<const DeviceRule> rules) override {
        const Member* devices = find("devices");
        if (devices == nullptr) {
            return;
        }
        const UniqueFd allow = open_at(devices->directory.fd.get(), "devices.allow", O_WRONLY);
        const UniqueFd deny = open_at(devices->directory.fd.get(), "devices.deny", O_WRONLY);
        for (const DeviceRule& rule : rules) {
            const std::string text = to_text(rule);
            check(::write((rule.allow ? allow : deny).get(), text.data(), text.size()),
                  "write(devices.{}, \"{}\")", rule.allow ? "allow" : "deny", text);
        }
    }

    // [region: join-v1]
    [[nodiscard]] int clone_fd() const override { return -1; }
    void join(bool /*born_inside*/) override {
        for (const Member& member : members_) {
            // "0" is the writer itself. Moving itself by "tasks" a single thread needs no lock that
            // waits for every CPU; a pid in "cgroup.procs" does, which takes 10 ms on an idle
            // machine.
            ssize_t n = ::write(member.tasks.get(), "0", 1);
            if (n == -1 && errno == EINVAL) {
                // A real-time thread cannot join a group that has no share of real time (sched(7)).
                const sched_param normal{};
                check(::sched_setscheduler(0, SCHED_OTHER, &normal),
                      "sched_setscheduler(SCHED_OTHER)");
                n = ::write(member.tasks.get(), "0", 1);
            }
            check(n, "write({}/tasks, \"0\")", member.directory.path.native());
        }
    }
    // [/region]

    void kill() override {
        // First no more births, so that nobody is born between the look and the kill.
        if (const Member* pids = find("pids")) {
            const UniqueFd max(
                ::openat(pids->directory.fd.get(), "pids.max", O_WRONLY | O_CLOEXEC));
            static_cast<void>(!::write(max.get(), "0", 1));
        }
        for (const Member& member : members_) {
            for (const pid_t pid : processes_below(member.directory.path)) {
                ::kill(pid, SIGKILL);
            }
        }
    }

    [[nodiscard]] bool populated() const override {
        return std::ranges::any_of(
            members_, [](const Member& m) { return !processes_below(m.directory.path).empty(); });
    }

    void freeze() override { throw NotImplemented("freezing a group"); }
    void thaw() override {}
    [[nodiscard]] bool frozen() const override { return false; }

    [[nodiscard]] std::int64_t oom_kills() const override {
        const Member* memory = find("memory");
        return memory == nullptr
                   ? 0
                   : std::max<std::int64_t>(
                         0, read_keyed(memory->directory, "memory.oom_control", "oom_kill"));
    }

    [[nodiscard]] OomEvents oom_events() const override {
        const Member* memory = find("memory");
        return memory == nullptr ? OomEvents() : OomEvents::of_v1(memory->directory.fd.get());
    }

    [[nodiscard]] CgroupStatistics statistics() const override {
        CgroupStatistics statistics;
        if (const Member* memory = find("memory")) {
            statistics.memory_bytes = read_number(memory->directory, "memory.usage_in_bytes");
            statistics.memory_peak_bytes =
                read_number(memory->directory, "memory.max_usage_in_bytes");
            statistics.oom_kills = oom_kills();
        }
        if (const Member* cpuacct = find("cpuacct")) {
            statistics.cpu_ns = read_number(cpuacct->directory, "cpuacct.usage");
        }
        if (const Member* cpu = find("cpu")) {
            statistics.throttled_periods = read_keyed(cpu->directory, "cpu.stat", "nr_throttled");
        }
        if (const Member* pids = find("pids")) {
            statistics.pids = read_number(pids->directory, "pids.current");
        }
        return statistics;
    }

    [[nodiscard]] std::vector<fs::path> directories() const override {
        std::vector<fs::path> paths;
        for (const Member& member : members_) {
            paths.push_back(member.directory.path);
        }
        return paths;
    }

  private:
    static bool has(const Member& member, std::string_view controller) {
        return std::ranges::find(member.controllers, controller) != member.controllers.end();
    }
    [[nodiscard]] const Member* find(std::string_view controller) const {
        const auto member =
            std::ranges::find_if(members_, [&](const Member& m) { return has(m, controller); });
        return member == members_.end() ? nullptr : &*member;
    }
    [[nodiscard]] const CgroupDirectory& require(std::string_view controller) const {
        if (const Member* member = find(controller)) {
            return member->directory;
        }
        throw InputError(
            fmt::format("a {0} limit cannot be had: no group of cgroup v1's {0} controller can be "
                        "made below /sys/fs/cgroup",
                        controller));
    }
    void write(std::string_view controller, const std::string& file, std::int64_t value) const {
        const CgroupDirectory& directory = require(controller);
        const UniqueFd fd = open_at(directory.fd.get(), file, O_WRONLY);
        const std::string text = std::to_string(value);
        check(::write(fd.get(), text.data(), text.size()), "write({}/{}, \"{}\")",
              directory.path.native(), file, text);
    }

    std::vector<Member> members_{};
};

/// Where the group of `controller` shall lie: its tree's root, or our own group in it.
fs::path base_of(const Hierarchy& hierarchy, const std::string& controller, bool below_own) {
    // Resolved, because "cpu" is often a link to "cpu,cpuacct".
    const fs::path tree = fs::canonical(hierarchy.root / controller);
    return below_own ? tree / own_group(controller).value_or("") : tree;
}

}  // namespace

std::unique_ptr<Group> make_group_v1(const Hierarchy& hierarchy, const GroupPlace& place) {
    auto group = std::make_unique<GroupV1>();
    std::optional<std::system_error> refused;
    try {
        for (const std::string& controller : hierarchy.controllers) {
            const fs::path base = base_of(hierarchy, controller, place.below_own);
            if (group->share(controller, base / place.path)) {
                continue;
            }
            try {
                group->add(controller,
                           make_cgroup_directory(open_cgroup_directory(base), place.path, nullptr));
            } catch (const std::system_error& e) {
                if (!no_permission(e)) {
                    throw;
                }
                refused = e;
            }
        }
        group->open_tasks();
    } catch (...) {
        remove_group_directories(group->directories());
        throw;
    }
    if (group->empty() && refused) {
        throw std::system_error(*refused);
    }
    return group;
}

std::unique_ptr<Group> open_group_v1(const Hierarchy& hierarchy, const GroupPlace& place) {
    auto group = std::make_unique<GroupV1>();
    for (const std::string& controller : hierarchy.controllers) {
        const fs::path path = base_of(hierarchy, controller, place.below_own) / place.path;
        if (!group->share(controller, path) && is_cgroup_directory(path)) {
            group->add(controller, open_cgroup_directory(path));
        }
    }
    if (group->empty()) {
        return nullptr;
    }
    return group;
}

}  // namespace drydock
