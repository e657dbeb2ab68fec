#include "03-cgroups/cgroup.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <system_error>
#include <thread>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/state.hpp"

#include "cgroup_delegation.hpp"
#include "cgroup_directory.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// The path below a tree's root for what a user asked for.
std::string checked_path(const std::string& path) {
    if (std::ranges::count(path, ':') == 2 && path.find('/') == std::string::npos) {
        throw NotImplemented(
            fmt::format("cgroup path \"{}\": groups that systemd makes (slice:prefix:name)", path));
    }
    const std::string result = path.starts_with("/") ? path.substr(1) : "drydock/" + path;
    std::size_t begin = 0;
    while (begin <= result.size()) {
        const std::size_t end = std::min(result.find('/', begin), result.size());
        const std::string_view name = std::string_view(result).substr(begin, end - begin);
        if (name.empty() || name == "." || name == "..") {
            throw InputError(fmt::format(
                "cgroup path \"{}\": expected names between single slashes, none of them \"..\"",
                path));
        }
        begin = end + 1;
    }
    if (result == "drydock") {
        throw InputError(
            "cgroup path \"/drydock\": every container's group lies below it; expected another");
    }
    return result;
}

bool may_be_had_elsewhere(const std::error_code& code) {
    return code == std::errc::permission_denied || code == std::errc::operation_not_permitted ||
           code == std::errc::read_only_file_system;
}

[[noreturn]] void throw_no_group(const Hierarchy& hierarchy, const std::string& why) {
    throw InputError(
        fmt::format("limits cannot be had here (cgroups: {}): {}; run as root, or in a group that "
                    "is delegated to this user",
                    to_text(hierarchy.kind), why));
}

/// With a place at which another process finds it too: on v2 what is "below our own" for us is not
/// for one in another group.
Cgroup owner_of(std::unique_ptr<Group> group, GroupPlace place, const Hierarchy& hierarchy) {
    if (group && place.below_own && hierarchy.kind == HierarchyKind::V2) {
        place = {.path = group->directories().at(0).lexically_relative(hierarchy.root).native()};
    }
    return {std::move(group), std::move(place)};
}

/// The group, or an empty owner where none can be had and none is needed.
Cgroup make_where_we_may(const std::string& path, bool needed, const Hierarchy& hierarchy) {
    std::string why = "no cgroup file system at " + hierarchy.root.native();
    // Where systemd rules, its tree is for those to whom it gave a part, and that part for them.
    const bool own_first =
        hierarchy.kind == HierarchyKind::V2 && lives_in_delegated_group(hierarchy.root);
    for (const bool below_own : {own_first, !own_first}) {
        const GroupPlace place{.path = path, .below_own = below_own};
        try {
            return owner_of(make_group(hierarchy, place), place, hierarchy);
        } catch (const std::system_error& e) {
            if (!may_be_had_elsewhere(e.code())) {
                throw;
            }
            why = e.what();
        }
    }
    if (needed) {
        throw_no_group(hierarchy, why);
    }
    return {};
}

constexpr std::string_view kRunGroup = "run-";

/// The process that a group was named after; nothing for another kind of name.
std::optional<ProcessIdentity> maker_of(std::string_view name) {
    if (!name.starts_with(kRunGroup)) {
        return std::nullopt;
    }
    name.remove_prefix(kRunGroup.size());
    const std::int64_t pid = cgroup_number(name.substr(0, name.find('-')));
    const std::int64_t start =
        cgroup_number(name.substr(std::min(name.find('-'), name.size() - 1) + 1));
    if (pid <= 0 || start < 0) {
        return std::nullopt;
    }
    return ProcessIdentity{.pid = static_cast<pid_t>(pid),
                           .start_time = static_cast<std::uint64_t>(start)};
}

}  // namespace

Cgroup::Cgroup(std::unique_ptr<Group> group, GroupPlace place) noexcept
    : group_(std::move(group)), place_(std::move(place)) {}

Cgroup::~Cgroup() {
    if (group_) {
        try {
            remove();
        } catch (...) {  // NOLINT(bugprone-empty-catch): best effort; remove() is the checked twin
        }
    }
}

Cgroup::Cgroup(Cgroup&& other) noexcept
    : group_(std::move(other.group_)),
      place_(std::move(other.place_)),
      warnings_(std::move(other.warnings_)) {}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
    std::swap(group_, other.group_);
    std::swap(place_, other.place_);
    std::swap(warnings_, other.warnings_);
    return *this;
}

void Cgroup::set(const Limits& limits, bool fresh) {
    check_limits(limits);
    if (group_) {
        std::ranges::move(group_->set(limits, fresh), std::back_inserter(warnings_));
    }
}

void Cgroup::set_devices(std::span<const DeviceRule> rules) {
    if (group_) {
        group_->set_devices(rules);
    }
}

int Cgroup::clone_fd() const {
    return group_ ? group_->clone_fd() : -1;
}

void Cgroup::join(bool born_inside) {
    if (group_) {
        group_->join(born_inside);
    }
}

void Cgroup::kill() {
    if (group_) {
        group_->kill();
    }
}

void Cgroup::freeze() {
    if (group_) {
        group_->freeze();
    }
}

void Cgroup::thaw() {
    if (group_) {
        group_->thaw();
    }
}

bool Cgroup::frozen() const {
    return group_ && group_->frozen();
}

std::vector<pid_t> Cgroup::pids() const {
    return group_ ? group_->pids() : std::vector<pid_t>();
}

bool Cgroup::populated() const {
    return group_ && group_->populated();
}

CgroupStatistics Cgroup::statistics() const {
    return group_ ? group_->statistics() : CgroupStatistics();
}

std::int64_t Cgroup::oom_kills() const {
    return group_ ? group_->oom_kills() : 0;
}

OomEvents Cgroup::oom_events() const {
    return group_ ? group_->oom_events() : OomEvents();
}

std::vector<fs::path> Cgroup::directories() const {
    return group_ ? group_->directories() : std::vector<fs::path>();
}

void Cgroup::remove(std::chrono::milliseconds within) {
    using Clock = std::chrono::steady_clock;
    if (!group_) {
        return;
    }
    const auto deadline = Clock::now() + within;
    const std::unique_ptr<Group> group = std::move(group_);
    auto pause = std::chrono::microseconds(100);
    for (;;) {
        const fs::path busy = remove_group_directories(group->directories());
        if (busy.empty()) {
            return;
        }
        if (Clock::now() > deadline) {
            throw std::system_error(EBUSY, std::generic_category(),
                                    fmt::format("rmdir({})", busy.native()));
        }
        group->kill();
        // v1 tells nobody when a group is empty: only rmdir says so.
        std::this_thread::sleep_for(pause);
        pause = std::min<std::chrono::microseconds>(pause * 2, std::chrono::milliseconds(20));
    }
}

void Cgroup::release() noexcept {
    group_.reset();
}

Cgroup make_cgroup(const std::string& path, const Limits& limits, const Hierarchy& hierarchy) {
    check_limits(limits);
    Cgroup cgroup = make_where_we_may(checked_path(path), limits.any(), hierarchy);
    if (cgroup) {
        cgroup.set(limits, true);
    } else if (limits.any()) {
        throw_no_group(hierarchy, "no cgroup file system at " + hierarchy.root.native());
    }
    return cgroup;
}

Cgroup open_cgroup(const GroupPlace& place, const Hierarchy& hierarchy) {
    return {open_group(hierarchy, place), place};
}

std::string run_group_name() {
    const ProcessIdentity self = identify(::getpid()).value_or(ProcessIdentity());
    return fmt::format("{}{}-{}", kRunGroup, self.pid, self.start_time);
}

void sweep_run_groups(const Hierarchy& hierarchy) {
    std::vector<fs::path> trees = {hierarchy.root, hierarchy.unified};
    for (const std::string& controller : hierarchy.controllers) {
        trees.push_back(hierarchy.root / controller);
    }
    for (const fs::path& tree : trees) {
        std::vector<fs::path> left;
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(tree / "drydock", ignored)) {
            const std::optional<ProcessIdentity> maker = maker_of(entry.path().filename().native());
            if (maker && !alive(*maker) && is_cgroup_directory(entry.path())) {
                left.push_back(entry.path());
            }
        }
        try {
            remove_group_directories(left);
        } catch (...) {  // NOLINT(bugprone-empty-catch): the next start tries again
        }
    }
}

void enter_cgroup_namespace() {
    check(::unshare(CLONE_NEWCGROUP), "unshare(CLONE_NEWCGROUP)");
}

}  // namespace drydock
