#include "cgroup_v1.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iterator>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

#include "cgroup_directory.hpp"
#include "cgroup_freezer.hpp"
#include "cgroup_setting.hpp"
#include "cgroup_v1_statistics.hpp"
#include "cgroup_v2.hpp"
#include "device_filter.hpp"
#include "devices_v1.hpp"

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

/// In whose trees every container has a directory, because they limit or count from the beginning.
/// The others get one when a limit asks for them: each costs every start.
constexpr std::array<std::string_view, 7> kFromTheBeginning = {
    "memory", "cpu", "cpuacct", "cpuset", "pids", "devices", "blkio"};

bool no_permission(const std::system_error& e) {
    return e.code() == std::errc::permission_denied ||
           e.code() == std::errc::operation_not_permitted ||
           e.code() == std::errc::read_only_file_system;
}

// [region: fill-cpuset]
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
// [/region]

/// Where the group of `controller` shall lie: its tree's root, or our own group in it.
fs::path base_in_v1(const Hierarchy& hierarchy, const std::string& controller, bool below_own) {
    // Resolved, because "cpu" is often a link to "cpu,cpuacct".
    const fs::path tree = fs::canonical(hierarchy.root / controller);
    return below_own ? tree / own_group(controller).value_or("") : tree;
}

fs::path base_in_unified(const Hierarchy& hierarchy, bool below_own) {
    return below_own ? hierarchy.unified / own_group("").value_or("") : hierarchy.unified;
}

void send_to_all(const std::vector<pid_t>& pids, int signal) {
    for (const pid_t pid : pids) {
        ::kill(pid, signal);
    }
}

/// The directories in v1's trees, and on a hybrid one in the v2 tree: there a group is killed and
/// frozen in one step, and a child can be born inside.
class GroupV1 : public Group {
  public:
    GroupV1(const Hierarchy& hierarchy, const GroupPlace& place)
        : hierarchy_(hierarchy), place_(place) {}

    void make();
    void open();
    [[nodiscard]] bool empty() const { return members_.empty() && !unified_; }

    std::vector<std::string> set(const Limits& limits, bool fresh) override;
    void set_devices(std::span<const DeviceRule> rules) override;
    [[nodiscard]] int clone_fd() const override { return unified_ ? unified_->fd.get() : -1; }
    void join(bool born_inside) override;
    void kill() override;
    void freeze() override;
    void thaw() override;
    [[nodiscard]] bool frozen() const override;
    [[nodiscard]] std::vector<pid_t> pids() const override;
    [[nodiscard]] bool populated() const override;
    [[nodiscard]] CgroupStatistics statistics() const override;
    [[nodiscard]] std::int64_t oom_kills() const override;
    [[nodiscard]] OomEvents oom_events() const override;
    [[nodiscard]] std::vector<fs::path> directories() const override;

  private:
    static bool has(const Member& member, std::string_view controller) {
        return std::ranges::find(member.controllers, controller) != member.controllers.end();
    }
    [[nodiscard]] const Member* find(std::string_view controller) const {
        const auto member =
            std::ranges::find_if(members_, [&](const Member& m) { return has(m, controller); });
        return member == members_.end() ? nullptr : &*member;
    }
    [[nodiscard]] bool offers(std::string_view controller) const {
        return std::ranges::find(hierarchy_.controllers, controller) !=
               hierarchy_.controllers.end();
    }
    [[nodiscard]] const CgroupDirectory* directory_of(std::string_view controller) const {
        const Member* member = find(controller);
        return member == nullptr ? nullptr : &member->directory;
    }
    [[nodiscard]] bool freezes_in_unified() const;

    const Member* make_member(const std::string& controller);
    bool share(const std::string& controller, const fs::path& path);
    void make_unified();
    void bring_in(const Member& member) const;
    const CgroupDirectory& require(const std::string& controller, const std::string& what);
    [[nodiscard]] CgroupFacts facts(const Limits& limits) const;
    void write_unified_settings(const Limits& limits, CgroupChanges& changes);
    void write_device_list(const CgroupDirectory& devices, std::span<const DeviceRule> rules);

    Hierarchy hierarchy_;
    GroupPlace place_;
    std::vector<Member> members_{};
    std::optional<CgroupDirectory> unified_{};
    UniqueFd unified_procs_{};
    bool is_new_ = false;  ///< made here, and nobody is in it yet
};

/// Takes `controller` in by the member whose tree it shares, if there is one.
bool GroupV1::share(const std::string& controller, const fs::path& path) {
    const auto member =
        std::ranges::find(members_, path, [](const Member& m) { return m.directory.path; });
    if (member == members_.end()) {
        return false;
    }
    member->controllers.push_back(controller);
    return true;
}

/// @return null where that is not for us
const Member* GroupV1::make_member(const std::string& controller) {
    const fs::path base = base_in_v1(hierarchy_, controller, place_.below_own);
    if (share(controller, base / place_.path)) {
        return find(controller);
    }
    try {
        members_.push_back({.controllers = {controller},
                            .directory = make_cgroup_directory(open_cgroup_directory(base),
                                                               place_.path, nullptr)});
    } catch (const std::system_error& e) {
        if (!no_permission(e)) {
            throw;
        }
        return nullptr;
    }
    Member& member = members_.back();
    if (controller == "cpuset") {
        fill_cpuset(member.directory);
    }
    // So that a child in another root, with other privileges, can join.
    member.tasks = open_at(member.directory.fd.get(), "tasks", O_WRONLY);
    return &member;
}

void GroupV1::make_unified() {
    if (hierarchy_.unified.empty()) {
        return;
    }
    try {
        const fs::path base = base_in_unified(hierarchy_, place_.below_own);
        unified_ = make_cgroup_directory(open_cgroup_directory(base), place_.path, nullptr);
        unified_procs_ = open_at(unified_->fd.get(), "cgroup.procs", O_WRONLY);
    } catch (const std::system_error& e) {
        if (!no_permission(e)) {
            throw;
        }
    }
}

void GroupV1::make() {
    try {
        for (const std::string_view controller : kFromTheBeginning) {
            if (offers(controller)) {
                make_member(std::string(controller));
            }
        }
        make_unified();
        if (offers("freezer") && !freezes_in_unified()) {
            make_member("freezer");
        }
    } catch (...) {
        remove_group_directories(directories());
        throw;
    }
    if (members_.empty()) {
        remove_group_directories(directories());
        throw std::system_error(EACCES, std::generic_category(),
                                fmt::format("mkdir({}) in any controller's tree of {}", place_.path,
                                            hierarchy_.root.native()));
    }
    is_new_ = true;
}

void GroupV1::open() {
    for (const std::string& controller : hierarchy_.controllers) {
        const fs::path path = base_in_v1(hierarchy_, controller, place_.below_own) / place_.path;
        if (!share(controller, path) && is_cgroup_directory(path)) {
            members_.push_back(
                {.controllers = {controller}, .directory = open_cgroup_directory(path)});
            members_.back().tasks = open_at(members_.back().directory.fd.get(), "tasks", O_WRONLY);
        }
    }
    if (!hierarchy_.unified.empty()) {
        const fs::path path = base_in_unified(hierarchy_, place_.below_own) / place_.path;
        if (is_cgroup_directory(path)) {
            unified_ = open_cgroup_directory(path);
            unified_procs_ = open_at(unified_->fd.get(), "cgroup.procs", O_WRONLY);
        }
    }
}

/// Moves who is in the group already into a member that is new.
void GroupV1::bring_in(const Member& member) const {
    constexpr int kRounds = 1000;
    for (int round = 0; round < kRounds; ++round) {
        const std::vector<pid_t> inside = processes_below(member.directory.path);
        bool moved = false;
        for (const pid_t pid : pids()) {
            if (std::ranges::find(inside, pid) == inside.end()) {
                const UniqueFd procs = open_at(member.directory.fd.get(), "cgroup.procs", O_WRONLY);
                const std::string text = std::to_string(pid);
                moved = ::write(procs.get(), text.data(), text.size()) != -1 || errno != ESRCH;
            }
        }
        if (!moved) {
            return;  // who is born from now on is born inside
        }
    }
}

const CgroupDirectory& GroupV1::require(const std::string& controller, const std::string& what) {
    if (const Member* member = find(controller)) {
        return member->directory;
    }
    const Member* made = offers(controller) ? make_member(controller) : nullptr;
    if (made == nullptr) {
        throw InputError(
            fmt::format("a {} cannot be had: no group of cgroup v1's {} controller can be made "
                        "below {}",
                        what, controller, hierarchy_.root.native()));
    }
    bring_in(*made);
    return made->directory;
}

CgroupFacts GroupV1::facts(const Limits& limits) const {
    CgroupFacts facts;
    const CgroupDirectory* memory = directory_of("memory");
    if (memory != nullptr && (limits.memory_bytes || limits.memory_swap_bytes)) {
        facts.memory_limit_bytes = read_number(*memory, "memory.limit_in_bytes");
        facts.counts_swap = has_file(*memory, "memory.memsw.limit_in_bytes");
        facts.has_swap = facts.counts_swap || machine_has_swap();
    }
    if (limits.io.any()) {
        const CgroupDirectory* blkio = directory_of("blkio");
        facts.has_bfq = blkio != nullptr && has_file(*blkio, "blkio.bfq.weight");
    }
    return facts;
}

/// On a hybrid the v2 tree may have what no v1 tree has: hugetlb, and keys of "unified".
void GroupV1::write_unified_settings(const Limits& limits, CgroupChanges& changes) {
    Limits of_v2;
    of_v2.unified = limits.unified;
    if (!offers("hugetlb")) {
        of_v2.hugetlb = limits.hugetlb;
    }
    if (!of_v2.any()) {
        return;
    }
    if (!unified_) {
        throw InputError(
            of_v2.unified.empty()
                ? "a hugetlb limit cannot be had: no tree of cgroups has the hugetlb controller"
                : fmt::format("unified \"{}\": a file of cgroup v2, which this machine does not "
                              "have",
                              of_v2.unified.begin()->first));
    }
    for (const CgroupSetting& setting : settings_v2(of_v2, {}).list) {
        delegate_controller(base_in_unified(hierarchy_, place_.below_own), unified_->path,
                            setting.controller);
        changes.write(*unified_, setting);
    }
}

std::vector<std::string> GroupV1::set(const Limits& limits, bool fresh) {
    Limits of_v1 = limits;
    if (!offers("hugetlb")) {
        of_v1.hugetlb.clear();
    }
    const CgroupDirectory* memory = directory_of("memory");
    if (limits.check_before_update && limits.memory_bytes && memory != nullptr) {
        refuse_below_use(*limits.memory_bytes, read_number(*memory, "memory.usage_in_bytes"));
    }
    CgroupSettings settings = settings_v1(of_v1, facts(limits));
    for (const CgroupSetting& setting : settings.list) {
        static_cast<void>(require(setting.controller, setting.what));
    }
    CgroupChanges changes(fresh);
    for (const CgroupSetting& setting : settings.list) {
        changes.write(require(setting.controller, setting.what), setting);
    }
    write_unified_settings(limits, changes);
    changes.keep();
    return std::move(settings.warnings);
}

void GroupV1::write_device_list(const CgroupDirectory& devices, std::span<const DeviceRule> rules) {
    const UniqueFd allow = open_at(devices.fd.get(), "devices.allow", O_WRONLY);
    const UniqueFd deny = open_at(devices.fd.get(), "devices.deny", O_WRONLY);
    for (const DeviceWrite& write : device_writes_v1(rules)) {
        check(::write((write.allow ? allow : deny).get(), write.text.data(), write.text.size()),
              "write({}/devices.{}, \"{}\")", devices.path.native(), write.allow ? "allow" : "deny",
              write.text);
    }
}

void GroupV1::set_devices(std::span<const DeviceRule> rules) {
    constexpr CapabilitySet kSysAdmin = CapabilitySet{1} << CAP_SYS_ADMIN;
    if (rules.empty() || !has_capabilities(kSysAdmin)) {
        return;
    }
    const CgroupDirectory* devices = directory_of("devices");
    if (devices == nullptr) {
        if (unified_) {
            attach_device_filter(unified_->fd.get(), rules);
        }
        return;
    }
    static_cast<void>(device_writes_v1(rules));  // before anything is touched
    // v1 has no way to replace a list at once: "a" takes all away, and until the last exception is
    // written even /dev/null is denied. Nobody who stands still sees that.
    const bool stop = !std::exchange(is_new_, false) && populated() && !frozen();
    if (stop) {
        freeze();
    }
    try {
        write_device_list(*devices, rules);
    } catch (...) {
        if (stop) {
            thaw();
        }
        throw;
    }
    if (stop) {
        thaw();
    }
}

// [region: join-v1]
void GroupV1::join(bool born_inside) {
    if (unified_ && !born_inside) {
        check(::write(unified_procs_.get(), "0", 1), "write({}/cgroup.procs, \"0\")",
              unified_->path.native());
    }
    for (const Member& member : members_) {
        // "0" is the writer itself. Moving itself by "tasks" a single thread needs no lock that
        // waits for every CPU; a pid in "cgroup.procs" does, which takes 10 ms on an idle machine.
        ssize_t n = ::write(member.tasks.get(), "0", 1);
        if (n == -1 && errno == EINVAL) {
            // A real-time thread cannot join a group that has no share of real time (sched(7)).
            const sched_param normal{};
            check(::sched_setscheduler(0, SCHED_OTHER, &normal), "sched_setscheduler(SCHED_OTHER)");
            n = ::write(member.tasks.get(), "0", 1);
        }
        check(n, "write({}/tasks, \"0\")", member.directory.path.native());
    }
}
// [/region]

void GroupV1::kill() {
    // First no more births, so that nobody is born between the look and the kill.
    if (const CgroupDirectory* pids = directory_of("pids")) {
        const UniqueFd max(::openat(pids->fd.get(), "pids.max", O_WRONLY | O_CLOEXEC));
        static_cast<void>(!::write(max.get(), "0", 1));
    }
    if (unified_) {
        kill_v2(*unified_);
    }
    for (const Member& member : members_) {
        send_to_all(processes_below(member.directory.path), SIGKILL);
    }
    if (const CgroupDirectory* freezer = directory_of("freezer")) {
        // A frozen process dies when it runs again.
        const UniqueFd state(::openat(freezer->fd.get(), "freezer.state", O_WRONLY | O_CLOEXEC));
        static_cast<void>(!::write(state.get(), "THAWED", 6));
    }
}

bool GroupV1::freezes_in_unified() const {
    return unified_ && has_file(*unified_, "cgroup.freeze");
}

void GroupV1::freeze() {
    if (freezes_in_unified()) {
        freeze_v2(*unified_);
    } else {
        freeze_v1(require("freezer", "pause"));
    }
}

void GroupV1::thaw() {
    if (const CgroupDirectory* freezer = directory_of("freezer")) {
        thaw_v1(*freezer);
    }
    if (freezes_in_unified()) {
        thaw_v2(*unified_);
    }
}

bool GroupV1::frozen() const {
    const CgroupDirectory* freezer = directory_of("freezer");
    return (freezer != nullptr && is_frozen_v1(*freezer)) ||
           (freezes_in_unified() && is_frozen_v2(*unified_));
}

std::vector<pid_t> GroupV1::pids() const {
    std::vector<pid_t> all;
    for (const fs::path& directory : directories()) {
        std::ranges::copy(processes_below(directory), std::back_inserter(all));
    }
    std::ranges::sort(all);
    all.erase(std::ranges::unique(all).begin(), all.end());
    return all;
}

bool GroupV1::populated() const {
    return std::ranges::any_of(directories(), [](const fs::path& directory) {
        return !processes_below(directory).empty();
    });
}

CgroupStatistics GroupV1::statistics() const {
    return statistics_v1([&](std::string_view controller) { return directory_of(controller); },
                         unified_ ? &*unified_ : nullptr);
}

std::int64_t GroupV1::oom_kills() const {
    const CgroupDirectory* memory = directory_of("memory");
    return memory == nullptr
               ? 0
               : std::max<std::int64_t>(0, read_keyed(*memory, "memory.oom_control", "oom_kill"));
}

OomEvents GroupV1::oom_events() const {
    const CgroupDirectory* memory = directory_of("memory");
    return memory == nullptr ? OomEvents() : OomEvents::of_v1(memory->fd.get());
}

std::vector<fs::path> GroupV1::directories() const {
    std::vector<fs::path> paths;
    for (const Member& member : members_) {
        paths.push_back(member.directory.path);
    }
    if (unified_) {
        paths.push_back(unified_->path);
    }
    return paths;
}

}  // namespace

bool is_in_every_group_v1(std::string_view controller) {
    return std::ranges::find(kFromTheBeginning, controller) != kFromTheBeginning.end();
}

std::unique_ptr<Group> make_group_v1(const Hierarchy& hierarchy, const GroupPlace& place) {
    auto group = std::make_unique<GroupV1>(hierarchy, place);
    group->make();
    return group;
}

std::unique_ptr<Group> open_group_v1(const Hierarchy& hierarchy, const GroupPlace& place) {
    auto group = std::make_unique<GroupV1>(hierarchy, place);
    group->open();
    if (group->empty()) {
        return nullptr;
    }
    return group;
}

}  // namespace drydock
