#include "cgroup_v2.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

#include "cgroup_delegation.hpp"
#include "cgroup_freezer.hpp"
#include "cgroup_setting.hpp"
#include "cgroup_v2_statistics.hpp"
#include "device_filter.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// Which every container's group has. The others are passed down when a limit asks for them: each
/// makes every new group dearer.
constexpr std::array<std::string_view, 4> kForEveryGroup = {"memory", "cpu", "pids", "io"};

bool lists_controller(std::string_view names, std::string_view name) {
    const std::string padded = " " + std::string(names) + " ";
    return padded.find(" " + std::string(name) + " ") != std::string::npos;
}

/// Lets the groups below `parent` have `controller`. One that it cannot give (it is in use by v1,
/// or processes sit in `parent`) is missed only when a limit asks for it.
void pass_down(const CgroupDirectory& parent, std::string_view controller) {
    const std::string change = "+" + std::string(controller);
    const UniqueFd fd(::openat(parent.fd.get(), "cgroup.subtree_control", O_WRONLY | O_CLOEXEC));
    static_cast<void>(!::write(fd.get(), change.data(), change.size()));
}

void delegate_controllers(const CgroupDirectory& parent) {
    const std::string passed = read_value(parent, "cgroup.subtree_control").value_or("");
    const std::string own = read_value(parent, "cgroup.controllers").value_or("");
    for (const std::string_view controller : kForEveryGroup) {
        if (lists_controller(own, controller) && !lists_controller(passed, controller)) {
            pass_down(parent, controller);
        }
    }
}

class GroupV2 : public Group {
  public:
    GroupV2(CgroupDirectory directory, fs::path root)
        : directory_(std::move(directory)), root_(std::move(root)) {}

    /// So that a child in another root, with other privileges, can join.
    void open_procs() { procs_ = open_at(directory_.fd.get(), "cgroup.procs", O_WRONLY); }

    std::vector<std::string> set(const Limits& limits, bool fresh) override;
    void set_devices(std::span<const DeviceRule> rules) override;

    [[nodiscard]] int clone_fd() const override { return directory_.fd.get(); }
    void join(bool born_inside) override {
        if (!born_inside) {
            check(::write(procs_.get(), "0", 1), "write({}/cgroup.procs, \"0\")",
                  directory_.path.native());
        }
    }
    void kill() override { kill_v2(directory_); }
    void freeze() override { freeze_v2(directory_); }
    void thaw() override { thaw_v2(directory_); }
    [[nodiscard]] bool frozen() const override { return is_frozen_v2(directory_); }

    [[nodiscard]] std::vector<pid_t> pids() const override {
        std::vector<pid_t> all = processes_below(directory_.path);
        std::ranges::sort(all);
        return all;
    }
    [[nodiscard]] bool populated() const override {
        return read_keyed(directory_, "cgroup.events", "populated") == 1;
    }
    [[nodiscard]] CgroupStatistics statistics() const override { return statistics_v2(directory_); }
    [[nodiscard]] std::int64_t oom_kills() const override {
        return std::max<std::int64_t>(0, read_keyed(directory_, "memory.events", "oom_kill"));
    }
    [[nodiscard]] OomEvents oom_events() const override {
        return has_file(directory_, "memory.events") ? OomEvents::of_v2(directory_.fd.get())
                                                     : OomEvents();
    }
    [[nodiscard]] std::vector<fs::path> directories() const override { return {directory_.path}; }

  private:
    [[nodiscard]] CgroupFacts facts(const Limits& limits) const;

    CgroupDirectory directory_{};
    fs::path root_{};
    UniqueFd procs_{};
};

CgroupFacts GroupV2::facts(const Limits& limits) const {
    CgroupFacts facts;
    if (limits.memory_swap_bytes) {
        facts.memory_limit_bytes = read_number(directory_, "memory.max");
        facts.counts_swap = has_file(directory_, "memory.swap.max");
        facts.has_swap = facts.counts_swap || machine_has_swap();
    }
    facts.has_bfq = limits.io.any() && has_file(directory_, "io.bfq.weight");
    return facts;
}

std::vector<std::string> GroupV2::set(const Limits& limits, bool fresh) {
    if (limits.check_before_update && limits.memory_bytes) {
        refuse_below_use(*limits.memory_bytes, read_number(directory_, "memory.current"));
    }
    CgroupSettings settings = settings_v2(limits, facts(limits));
    CgroupChanges changes(fresh);
    for (const CgroupSetting& setting : settings.list) {
        if (std::ranges::find(kForEveryGroup, setting.controller) == kForEveryGroup.end()) {
            delegate_controller(root_, directory_.path, setting.controller);
        }
        changes.write(directory_, setting);
    }
    changes.keep();
    return std::move(settings.warnings);
}

void GroupV2::set_devices(std::span<const DeviceRule> rules) {
    // Without privileges nobody can load it; but then no node can be made either, and the host's
    // own modes hold.
    constexpr CapabilitySet kSysAdmin = CapabilitySet{1} << CAP_SYS_ADMIN;
    if (!rules.empty() && has_capabilities(kSysAdmin)) {
        attach_device_filter(directory_.fd.get(), rules);
    }
}

/// Where it is or, when our own group has to be looked for, where it may be.
std::vector<fs::path> places_in_v2(const Hierarchy& hierarchy, const GroupPlace& place) {
    if (!place.below_own) {
        return {hierarchy.root / place.path};
    }
    std::vector<fs::path> paths = delegated_groups(hierarchy.root);
    for (fs::path& path : paths) {
        path /= place.path;
    }
    return paths;
}

}  // namespace

void kill_v2(const CgroupDirectory& directory) {
    // The kernel kills the whole tree at once, forks in flight too (Linux 5.14).
    const UniqueFd kill_file(::openat(directory.fd.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC));
    if (kill_file && ::write(kill_file.get(), "1", 1) == 1) {
        return;
    }
    for (const pid_t pid : processes_below(directory.path)) {
        ::kill(pid, SIGKILL);
    }
}

void delegate_controller(const fs::path& base, const fs::path& path,
                         const std::string& controller) {
    fs::path above = base;
    const fs::path below = path.parent_path().lexically_relative(base);
    for (const fs::path& part : fs::path(".") / below) {
        above /= part;
        if (is_cgroup_directory(above)) {
            const CgroupDirectory directory = open_cgroup_directory(above);
            if (!lists_controller(read_value(directory, "cgroup.subtree_control").value_or(""),
                                  controller)) {
                pass_down(directory, controller);
            }
        }
    }
}

std::unique_ptr<Group> make_group_v2(const Hierarchy& hierarchy, const GroupPlace& place) {
    const fs::path base = place.below_own ? delegated_group(hierarchy.root) : hierarchy.root;
    CgroupDirectory directory =
        make_cgroup_directory(open_cgroup_directory(base), place.path, delegate_controllers);
    const fs::path path = directory.path;
    try {
        auto group = std::make_unique<GroupV2>(std::move(directory), hierarchy.root);
        group->open_procs();
        return group;
    } catch (...) {
        remove_group_directories({path});
        throw;
    }
}

std::unique_ptr<Group> open_group_v2(const Hierarchy& hierarchy, const GroupPlace& place) {
    std::unique_ptr<Group> group;
    for (const fs::path& path : places_in_v2(hierarchy, place)) {
        if (!group && is_cgroup_directory(path)) {
            unless_gone([&] {
                group = std::make_unique<GroupV2>(open_cgroup_directory(path), hierarchy.root);
            });
        }
    }
    return group;
}

}  // namespace drydock
