#include "cgroup_v2.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

#include "cgroup_directory.hpp"
#include "device_filter.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// Lets the groups below `parent` have each controller that it has itself. One that it cannot give
/// (it is in use by v1, or processes sit in `parent`) is missed only when a limit asks for it.
void delegate_controllers(const CgroupDirectory& parent) {
    for (const char* change : {"+memory", "+cpu", "+pids", "+cpuset"}) {
        const UniqueFd fd(
            ::openat(parent.fd.get(), "cgroup.subtree_control", O_WRONLY | O_CLOEXEC));
        static_cast<void>(!::write(fd.get(), change, std::char_traits<char>::length(change)));
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

class GroupV2 : public Group {
  public:
    explicit GroupV2(CgroupDirectory directory) : directory_(std::move(directory)) {}

    /// So that a child in another root, with other privileges, can join.
    void open_procs() { procs_ = open_at(directory_.fd.get(), "cgroup.procs", O_WRONLY); }

    std::vector<std::string> set(const Limits& limits) override {
        refuse_what_is_new(limits);
        if (limits.memory_bytes) {
            write("memory", "memory.max", std::to_string(*limits.memory_bytes));
        }
        if (limits.memory_swap_bytes && read_value(directory_, "memory.swap.max")) {
            const std::int64_t swap = *limits.memory_swap_bytes - limits.memory_bytes.value_or(0);
            write("memory", "memory.swap.max",
                  *limits.memory_swap_bytes == -1 ? "max" : std::to_string(swap));
        }
        if (limits.nano_cpus) {
            write("cpu", "cpu.max",
                  fmt::format("{} {}", cpu_quota_us(limits), limits.cpu_period_us));
        }
        if (limits.cpu_shares) {
            write("cpu", "cpu.weight", std::to_string(cpu_weight(*limits.cpu_shares)));
        }
        if (limits.pids) {
            write("pids", "pids.max", std::to_string(*limits.pids));
        }
        return {};
    }

    [[nodiscard]] std::vector<pid_t> pids() const override {
        std::vector<pid_t> all = processes_below(directory_.path);
        std::ranges::sort(all);
        return all;
    }

    void set_devices(std::span<const DeviceRule> rules) override {
        // Without privileges nobody can load it; but then no node can be made either, and the
        // host's own modes hold.
        constexpr CapabilitySet kSysAdmin = CapabilitySet{1} << CAP_SYS_ADMIN;
        if (!rules.empty() && has_capabilities(kSysAdmin)) {
            attach_device_filter(directory_.fd.get(), rules);
        }
    }

    [[nodiscard]] int clone_fd() const override { return directory_.fd.get(); }

    void join(bool born_inside) override {
        if (born_inside) {
            return;
        }
        check(::write(procs_.get(), "0", 1), "write({}/cgroup.procs, \"0\")",
              directory_.path.native());
    }

    void kill() override {
        // The kernel kills the whole tree at once, forks in flight too (Linux 5.14).
        const UniqueFd kill_file(
            ::openat(directory_.fd.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC));
        if (kill_file && ::write(kill_file.get(), "1", 1) == 1) {
            return;
        }
        for (const pid_t pid : processes_below(directory_.path)) {
            ::kill(pid, SIGKILL);
        }
    }

    [[nodiscard]] bool populated() const override {
        return read_keyed(directory_, "cgroup.events", "populated") == 1;
    }

    void freeze() override { throw NotImplemented("freezing a group"); }
    void thaw() override {}
    [[nodiscard]] bool frozen() const override { return false; }

    [[nodiscard]] std::int64_t oom_kills() const override {
        return std::max<std::int64_t>(0, read_keyed(directory_, "memory.events", "oom_kill"));
    }

    [[nodiscard]] OomEvents oom_events() const override {
        return read_value(directory_, "memory.events") ? OomEvents::of_v2(directory_.fd.get())
                                                       : OomEvents();
    }

    [[nodiscard]] CgroupStatistics statistics() const override {
        const std::int64_t cpu_us = read_keyed(directory_, "cpu.stat", "usage_usec");
        return {.memory_bytes = read_number(directory_, "memory.current"),
                .memory_peak_bytes = read_number(directory_, "memory.peak"),
                .oom_kills =
                    std::max<std::int64_t>(0, read_keyed(directory_, "memory.events", "oom_kill")),
                .cpu_ns = cpu_us < 0 ? -1 : cpu_us * 1000,
                .throttled_periods = read_keyed(directory_, "cpu.stat", "nr_throttled"),
                .pids = read_number(directory_, "pids.current")};
    }

    [[nodiscard]] std::vector<fs::path> directories() const override { return {directory_.path}; }

  private:
    void write(std::string_view controller, const std::string& file,
               const std::string& value) const {
        if (!read_value(directory_, file)) {
            throw InputError(
                fmt::format("a {0} limit cannot be had: the {0} controller is not delegated to {1} "
                            "(cgroup.controllers: \"{2}\")",
                            controller, directory_.path.native(),
                            read_value(directory_, "cgroup.controllers").value_or("")));
        }
        const UniqueFd fd = open_at(directory_.fd.get(), file, O_WRONLY);
        check(::write(fd.get(), value.data(), value.size()), "write({}/{}, \"{}\")",
              directory_.path.native(), file, value);
    }

    CgroupDirectory directory_{};
    UniqueFd procs_{};
};

fs::path base_of(const Hierarchy& hierarchy, bool below_own) {
    return below_own ? hierarchy.root / own_group("").value_or("") : hierarchy.root;
}

}  // namespace

std::unique_ptr<Group> make_group_v2(const Hierarchy& hierarchy, const GroupPlace& place) {
    const CgroupDirectory base = open_cgroup_directory(base_of(hierarchy, place.below_own));
    CgroupDirectory directory = make_cgroup_directory(base, place.path, delegate_controllers);
    const fs::path path = directory.path;
    try {
        auto group = std::make_unique<GroupV2>(std::move(directory));
        group->open_procs();
        return group;
    } catch (...) {
        remove_group_directories({path});
        throw;
    }
}

std::unique_ptr<Group> open_group_v2(const Hierarchy& hierarchy, const GroupPlace& place) {
    const fs::path path = base_of(hierarchy, place.below_own) / place.path;
    return is_cgroup_directory(path) ? std::make_unique<GroupV2>(open_cgroup_directory(path))
                                     : nullptr;
}

}  // namespace drydock
