#include "cgroup_v1.hpp"

#include <fcntl.h>
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

#include "cgroup_directory.hpp"
#include "cgroup_freezer.hpp"
#include "cgroup_v1_group.hpp"
#include "cgroup_v1_statistics.hpp"
#include "cgroup_v2.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// In whose trees every container has a directory, because they limit or count from the beginning,
/// and what looks for its limits (the JVM) looks for all of them. The others get one when a limit
/// asks for them: each costs every start.
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
/// @return what it has then
std::array<std::string, 2> fill_cpuset(const CgroupDirectory& directory) {
    constexpr std::array<const char*, 2> kFiles = {"cpuset.cpus", "cpuset.mems"};
    std::array<std::string, 2> values{};
    for (std::size_t i = 0; i < kFiles.size(); ++i) {
        values.at(i) = read_value(directory, kFiles.at(i)).value_or("none");
    }
    if (!values[0].empty() && !values[1].empty()) {
        return values;
    }
    const auto of_parent = fill_cpuset(open_cgroup_directory(directory.path.parent_path()));
    for (std::size_t i = 0; i < kFiles.size(); ++i) {
        if (values.at(i).empty()) {
            values.at(i) = of_parent.at(i);
            write_once(directory.fd.get(), kFiles.at(i), values.at(i));
        }
    }
    return values;
}
// [/region]

/// Where the group of `controller` shall lie: its tree's root, or our own group in it.
fs::path base_in_v1(const Hierarchy& hierarchy, const std::string& controller, bool below_own) {
    fs::path tree = hierarchy.root / controller;
    std::error_code ignored;
    if (fs::is_symlink(tree, ignored)) {  // "cpu" is often one to "cpu,cpuacct"
        tree = fs::canonical(tree);
    }
    return below_own ? tree / own_group(controller).value_or("") : tree;
}

void send_to_all(const std::vector<pid_t>& pids, int signal) {
    for (const pid_t pid : pids) {
        ::kill(pid, signal);
    }
}

}  // namespace

/// Takes `controller` in by the member whose tree it shares, if there is one.
bool GroupV1::share(const std::string& controller, const fs::path& path) {
    const auto member =
        std::ranges::find(members_, path, [](const TreeMember& m) { return m.directory.path; });
    if (member == members_.end()) {
        return false;
    }
    member->controllers.push_back(controller);
    return true;
}

/// @return null where that is not for us
const TreeMember* GroupV1::make_member(const std::string& controller) {
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
    TreeMember& member = members_.back();
    if (controller == "cpuset") {
        static_cast<void>(fill_cpuset(member.directory));
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
            unless_gone([&] {
                TreeMember member{.controllers = {controller},
                                  .directory = open_cgroup_directory(path)};
                member.tasks = open_at(member.directory.fd.get(), "tasks", O_WRONLY);
                members_.push_back(std::move(member));
            });
        }
    }
    if (!hierarchy_.unified.empty()) {
        const fs::path path = base_in_unified(hierarchy_, place_.below_own) / place_.path;
        if (is_cgroup_directory(path)) {
            unless_gone([&] {
                CgroupDirectory unified = open_cgroup_directory(path);
                unified_procs_ = open_at(unified.fd.get(), "cgroup.procs", O_WRONLY);
                unified_ = std::move(unified);
            });
        }
    }
}

/// Moves who is in the group already into a member that is new.
void GroupV1::bring_in(const TreeMember& member) const {
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
    if (const TreeMember* member = find(controller)) {
        return member->directory;
    }
    const TreeMember* made = offers(controller) ? make_member(controller) : nullptr;
    if (made == nullptr) {
        throw InputError(
            fmt::format("a {} cannot be had: no group of cgroup v1's {} controller can be made "
                        "below {}",
                        what, controller, hierarchy_.root.native()));
    }
    bring_in(*made);
    return made->directory;
}

// [region: join-v1]
void GroupV1::join(bool born_inside) {
    if (unified_ && !born_inside) {
        check(::write(unified_procs_.get(), "0", 1), "write({}/cgroup.procs, \"0\")",
              unified_->path.native());
    }
    for (const TreeMember& member : members_) {
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
    for (const TreeMember& member : members_) {
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
    for (const TreeMember& member : members_) {
        paths.push_back(member.directory.path);
    }
    if (unified_) {
        paths.push_back(unified_->path);
    }
    return paths;
}

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
