#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "02-namespaces/process_attributes.hpp"

#include "bundle_sections.hpp"

namespace drydock {
namespace {

constexpr const char* kSets = "config.json: /process/capabilities/";

CapabilitySet capability_set(const std::vector<std::string>& names, std::string_view set_name) {
    CapabilitySet set = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        try {
            set |= capability(names[i]);
        } catch (const InputError& e) {
            throw InputError(fmt::format("{}{}/{}: {}", kSets, set_name, i, e.what()));
        }
    }
    return set;
}

Capabilities capabilities_from(const oci::Capabilities& names) {
    return {.bounding = capability_set(names.bounding, "bounding"),
            .permitted = capability_set(names.permitted, "permitted"),
            .effective = capability_set(names.effective, "effective"),
            .inheritable = capability_set(names.inheritable, "inheritable"),
            .ambient = capability_set(names.ambient, "ambient")};
}

void set_limits_of(const oci::Process& process, stage03::Options& options) {
    for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
        const oci::Rlimit& limit = process.rlimits[i];
        const Rlimit wanted{.name = limit.type, .soft = limit.soft, .hard = limit.hard};
        try {
            check_rlimit(wanted);
        } catch (const InputError& e) {
            throw InputError(fmt::format("config.json: /process/rlimits/{}: {}", i, e.what()));
        }
        options.rlimits.push_back(wanted);
    }
}

SchedulingPolicy policy_from(const oci::Scheduler& s) {
    SchedulingPolicy policy{.policy = scheduling_policy(s.policy),
                            .nice = s.nice,
                            .priority = static_cast<std::uint32_t>(s.priority),
                            .runtime_ns = s.runtime,
                            .deadline_ns = s.deadline,
                            .period_ns = s.period};
    for (const std::string& flag : s.flags) {
        policy.flags |= scheduling_flag(flag);
    }
    return policy;
}

ProcessAttributes attributes_from(const oci::Process& process) {
    ProcessAttributes attributes{.oom_score_adj = process.oom_score_adj,
                                 .apparmor_profile = process.apparmor_profile,
                                 .selinux_label = process.selinux_label};
    if (process.io_priority) {
        attributes.io_priority =
            IoPriority{.class_ = io_priority_class(process.io_priority->class_),
                       .level = process.io_priority->priority};
    }
    if (process.scheduler) {
        attributes.scheduling = policy_from(*process.scheduler);
    }
    if (!process.apparmor_profile.empty()) {
        require_apparmor("config.json: /process/apparmorProfile");
    }
    if (!process.selinux_label.empty()) {
        require_selinux("config.json: /process/selinuxLabel");
    }
    return attributes;
}

std::string list_of(CapabilitySet set) {
    std::string text;
    for (const std::string& name : capability_names(set)) {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

}  // namespace

void set_identity(const oci::Process& process, stage03::Options& options) {
    options.user = {
        .uid = process.user.uid, .gid = process.user.gid, .groups = process.user.additional_gids};
    constexpr mode_t kUmask = 022;
    options.umask = process.user.umask.value_or(kUmask);
    options.capabilities = capabilities_from(process.capabilities.value_or(oci::Capabilities()));
    options.no_new_privs = process.no_new_privileges;
    set_limits_of(process, options);
    if (process.rlimits.empty()) {
        options.rlimits = default_rlimits();
    }
    const std::string personality = options.attributes.personality;
    options.attributes = attributes_from(process);
    options.attributes.personality = personality;
}

std::vector<std::string> warnings_about(const oci::Process& process, stage03::Options& options) {
    std::vector<std::string> warnings;
    const Capabilities& wanted = *options.capabilities;
    const CapabilitySet grantable = own_bounding_set();
    const auto left_out = [&](std::string_view name, CapabilitySet set) {
        if (set != 0) {
            warnings.push_back(
                fmt::format("{}{}: cannot be granted, left out: {}", kSets, name, list_of(set)));
        }
    };
    left_out("bounding", wanted.bounding & ~grantable);
    left_out("ambient", wanted.ambient & ~(wanted.permitted & wanted.inheritable & grantable));
    constexpr rlim_t kWanted = 524288;
    if (process.rlimits.empty() && options.rlimits.front().hard < kWanted) {
        warnings.push_back(
            fmt::format("RLIMIT_NOFILE: {} instead of {}, which is more than we have",
                        options.rlimits.front().hard, kWanted));
    }
    std::optional<int>& score = options.attributes.oom_score_adj;
    if (score && *score < own_oom_score_adj() &&
        !has_capabilities(capability("CAP_SYS_RESOURCE"))) {
        warnings.push_back(
            fmt::format("config.json: /process/oomScoreAdj: {} needs CAP_SYS_RESOURCE; it stays {}",
                        *score, own_oom_score_adj()));
        score.reset();
    }
    return warnings;
}

}  // namespace drydock
