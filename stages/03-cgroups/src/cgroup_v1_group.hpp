#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/hierarchy.hpp"

#include "cgroup_directory.hpp"
#include "cgroup_setting.hpp"

// The class behind make_group_v1() and open_group_v1(). Its methods are in cgroup_v1.cpp, those
// that set limits and devices in cgroup_v1_limits.cpp.
namespace drydock {

/// The group in one controller's tree, or in that of several when they are mounted together
/// ("cpu,cpuacct").
struct TreeMember {
    std::vector<std::string> controllers{};
    CgroupDirectory directory{};
    UniqueFd tasks{};
};

/// Where the group in the v2 tree of a hybrid shall lie.
std::filesystem::path base_in_unified(const Hierarchy& hierarchy, bool below_own);

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
    [[nodiscard]] std::vector<std::filesystem::path> directories() const override;

  private:
    static bool has(const TreeMember& member, std::string_view controller) {
        return std::ranges::find(member.controllers, controller) != member.controllers.end();
    }
    [[nodiscard]] const TreeMember* find(std::string_view controller) const {
        const auto member =
            std::ranges::find_if(members_, [&](const TreeMember& m) { return has(m, controller); });
        return member == members_.end() ? nullptr : &*member;
    }
    [[nodiscard]] bool offers(std::string_view controller) const {
        return std::ranges::find(hierarchy_.controllers, controller) !=
               hierarchy_.controllers.end();
    }
    [[nodiscard]] const CgroupDirectory* directory_of(std::string_view controller) const {
        const TreeMember* member = find(controller);
        return member == nullptr ? nullptr : &member->directory;
    }
    [[nodiscard]] bool freezes_in_unified() const;

    const TreeMember* make_member(const std::string& controller);
    bool share(const std::string& controller, const std::filesystem::path& path);
    void make_unified();
    void bring_in(const TreeMember& member) const;
    const CgroupDirectory& require(const std::string& controller, const std::string& what);
    [[nodiscard]] CgroupFacts facts(const Limits& limits) const;
    void write_unified_settings(const Limits& limits, CgroupChanges& changes);
    void write_device_list(const CgroupDirectory& devices, std::span<const DeviceRule> rules);

    Hierarchy hierarchy_;
    GroupPlace place_;
    std::vector<TreeMember> members_{};
    std::optional<CgroupDirectory> unified_{};
    UniqueFd unified_procs_{};
    bool is_new_ = false;  ///< made here, and nobody is in it yet
};

}  // namespace drydock
