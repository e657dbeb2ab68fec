#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/bundle.hpp"

#include "bundle_sections.hpp"

namespace drydock {
namespace {

struct ActionName {
    std::string_view name;
    SeccompAction action;
    std::uint32_t value = 0;  ///< of an action that has one, when nothing else is said
};
constexpr ActionName kSeccompActions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, EPERM},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, EPERM},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
};

struct OperatorName {
    std::string_view name;
    SeccompCondition::Operator op;
};
constexpr OperatorName kSeccompOperators[] = {
    {"SCMP_CMP_EQ", SeccompCondition::Operator::Equal},
    {"SCMP_CMP_GE", SeccompCondition::Operator::GreaterOrEqual},
    {"SCMP_CMP_GT", SeccompCondition::Operator::Greater},
    {"SCMP_CMP_LE", SeccompCondition::Operator::LessOrEqual},
    {"SCMP_CMP_LT", SeccompCondition::Operator::Less},
    {"SCMP_CMP_MASKED_EQ", SeccompCondition::Operator::MaskedEqual},
    {"SCMP_CMP_NE", SeccompCondition::Operator::NotEqual},
};

struct SeccompFlagName {
    std::string_view name;
    unsigned long flag;
};
constexpr SeccompFlagName kSeccompFlags[] = {
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    // Of all threads there are: one, when the filter is loaded.
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1UL << 5U},  // of Linux 5.19
};

constexpr std::string_view kSeccompI386 = "SCMP_ARCH_X86";
#if defined(__x86_64__)
constexpr std::string_view kSeccompArchitectures[] = {kSeccompI386, "SCMP_ARCH_X86_64"};
#else
constexpr std::string_view kSeccompArchitectures[] = {"SCMP_ARCH_AARCH64"};
#endif

template <class Row, std::size_t N>
const Row& row_named(const Row (&rows)[N], const std::string& name, std::string_view place) {
    const Row* const row = std::ranges::find(rows, name, &Row::name);
    if (row == std::end(rows)) {
        throw InputError(
            fmt::format("config.json: /linux/seccomp{}: unknown \"{}\"; expected {}, ...", place,
                        name, rows[0].name));
    }
    return *row;
}

SeccompAction seccomp_action(const std::string& name, std::optional<std::uint32_t> errno_ret) {
    const ActionName& row = row_named(kSeccompActions, name, "");
    return row.value == 0 ? row.action : row.action | errno_ret.value_or(row.value);
}

SeccompCondition seccomp_condition(const oci::SeccompArg& arg) {
    return {.index = arg.index,
            .op = row_named(kSeccompOperators, arg.op, "/syscalls").op,
            .value = arg.value,
            .value_two = arg.value_two};
}

bool notifies(const SeccompProfile& profile) {
    return profile.default_action == SECCOMP_RET_USER_NOTIF ||
           std::ranges::any_of(profile.rules, [](const SeccompRule& rule) {
               return rule.action == SECCOMP_RET_USER_NOTIF;
           });
}

/// The listener's descriptor travels in a sendmsg(2) of the process that the filter holds for.
void check_notification(const oci::Seccomp& seccomp, const SeccompProfile& profile) {
    constexpr unsigned long kWaitKillable = 1UL << 5U;
    if (!notifies(profile)) {
        if ((profile.flags & kWaitKillable) != 0) {
            throw InputError(
                "config.json: /linux/seccomp/flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: "
                "expected an action SCMP_ACT_NOTIFY with it");
        }
        return;
    }
    if (seccomp.listener_path.empty()) {
        throw InputError(
            "config.json: /linux/seccomp: expected a \"listenerPath\" for SCMP_ACT_NOTIFY");
    }
    const bool caught = std::ranges::any_of(profile.rules, [](const SeccompRule& rule) {
        return rule.action == SECCOMP_RET_USER_NOTIF &&
               std::ranges::find(rule.names, "sendmsg") != rule.names.end();
    });
    if (caught || profile.default_action == SECCOMP_RET_USER_NOTIF) {
        throw InputError(
            "config.json: /linux/seccomp: SCMP_ACT_NOTIFY cannot decide about sendmsg, by which "
            "the listener gets its descriptor; expected another action for it");
    }
}

template <class Row, std::size_t N>
std::vector<std::string_view> names_of(const Row (&rows)[N]) {
    std::vector<std::string_view> names;
    for (const Row& row : rows) {
        names.push_back(row.name);
    }
    return names;
}

}  // namespace

SeccompProfile seccomp_profile_from(const oci::Seccomp& seccomp) {
    SeccompProfile profile{.default_action =
                               seccomp_action(seccomp.default_action, seccomp.default_errno_ret)};
    for (const oci::SeccompRule& rule : seccomp.syscalls) {
        SeccompRule result{.names = rule.names,
                           .action = seccomp_action(rule.action, rule.errno_ret)};
        for (const oci::SeccompArg& arg : rule.args) {
            result.conditions.push_back(seccomp_condition(arg));
        }
        profile.rules.push_back(std::move(result));
    }
    for (const std::string& name : seccomp.flags) {
        profile.flags |= row_named(kSeccompFlags, name, "/flags").flag;
    }
    profile.i386 =
        std::ranges::find(seccomp.architectures, kSeccompI386) != seccomp.architectures.end();
    check_notification(seccomp, profile);
    if (notifies(profile)) {
        profile.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    }
    return profile;
}

void set_seccomp(const oci::Seccomp& seccomp, stage03::Options& options) {
    options.seccomp = seccomp_profile_from(seccomp);
    if ((options.seccomp->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) {
        options.seccomp_agent = {.socket = seccomp.listener_path,
                                 .metadata = seccomp.listener_metadata};
    }
}

std::vector<std::string_view> seccomp_action_names() {
    return names_of(kSeccompActions);
}
std::vector<std::string_view> seccomp_operator_names() {
    return names_of(kSeccompOperators);
}
std::vector<std::string_view> seccomp_flag_names() {
    return names_of(kSeccompFlags);
}
std::vector<std::string_view> seccomp_architecture_names() {
    return {std::begin(kSeccompArchitectures), std::end(kSeccompArchitectures)};
}

}  // namespace drydock
