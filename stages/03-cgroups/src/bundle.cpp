#include "03-cgroups/bundle.hpp"

#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/sysctl.hpp"

#include "bundle_sections.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// What is read and cannot be done yet: nothing that a bundle asks for is dropped in silence.
void refuse_missing(const oci::Config& config) {
    const auto refuse_if = [](bool asked, std::string_view what) {
        if (asked) {
            throw NotImplemented(what);
        }
    };
    if (config.linux_.seccomp) {
        refuse_if(!config.linux_.seccomp->flags.empty(), "linux.seccomp.flags");
        refuse_if(!config.linux_.seccomp->listener_path.empty(), "linux.seccomp.listenerPath");
    }
}

SeccompAction seccomp_action(const std::string& name, std::optional<std::uint32_t> errno_ret) {
    if (name == "SCMP_ACT_ALLOW") {
        return SECCOMP_RET_ALLOW;
    }
    if (name == "SCMP_ACT_ERRNO") {
        return SECCOMP_RET_ERRNO | errno_ret.value_or(EPERM);
    }
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") {
        return SECCOMP_RET_KILL_THREAD;
    }
    if (name == "SCMP_ACT_KILL_PROCESS") {
        return SECCOMP_RET_KILL_PROCESS;
    }
    if (name == "SCMP_ACT_TRAP") {
        return SECCOMP_RET_TRAP;
    }
    if (name == "SCMP_ACT_LOG") {
        return SECCOMP_RET_LOG;
    }
    if (name == "SCMP_ACT_TRACE" || name == "SCMP_ACT_NOTIFY") {
        throw NotImplemented("linux.seccomp: " + name);
    }
    throw InputError(
        fmt::format("config.json: /linux/seccomp: unknown action \"{}\"; expected SCMP_ACT_ALLOW, "
                    "SCMP_ACT_ERRNO, ...",
                    name));
}

SeccompCondition seccomp_condition(const oci::SeccompArg& arg) {
    using Operator = SeccompCondition::Operator;
    constexpr std::array<std::pair<std::string_view, Operator>, 7> kOperators = {{
        {"SCMP_CMP_EQ", Operator::Equal},
        {"SCMP_CMP_NE", Operator::NotEqual},
        {"SCMP_CMP_LT", Operator::Less},
        {"SCMP_CMP_LE", Operator::LessOrEqual},
        {"SCMP_CMP_GT", Operator::Greater},
        {"SCMP_CMP_GE", Operator::GreaterOrEqual},
        {"SCMP_CMP_MASKED_EQ", Operator::MaskedEqual},
    }};
    const auto* const known =
        std::ranges::find(kOperators, arg.op, &decltype(kOperators)::value_type::first);
    if (known == kOperators.end()) {
        throw InputError(fmt::format(
            "config.json: /linux/seccomp/syscalls: unknown op \"{}\"; expected SCMP_CMP_EQ, ...",
            arg.op));
    }
    return {
        .index = arg.index, .op = known->second, .value = arg.value, .value_two = arg.value_two};
}

void set_resources(const oci::Linux& linux_, stage03::Options& options) {
    options.limits = linux_.limits;
    if (std::ranges::count(linux_.cgroups_path, ':') == 2) {
        throw NotImplemented(
            fmt::format("linux.cgroupsPath \"{}\": groups of systemd", linux_.cgroups_path));
    }
    options.cgroup_path = linux_.cgroups_path;
    if (!linux_.device_rules.empty()) {
        // Without the default ones after it, a "deny all" would take /dev/null away too; runc does
        // the same.
        options.device_rules = linux_.device_rules;
        for (const DeviceRule& rule : default_device_rules()) {
            if (rule.allow) {
                options.device_rules.push_back(rule);
            }
        }
    }
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
    return profile;
}

stage03::Options options_from_process(const oci::Process& process) {
    stage03::Options options;
    options.command = {.argv = process.args, .env = process.env, .workdir = process.cwd};
    options.terminal.wanted = process.terminal;
    if (process.terminal && process.console_size) {
        options.terminal.size = {.rows = process.console_size->height,
                                 .columns = process.console_size->width};
    }
    set_identity(process, options);
    return options;
}

stage03::Options options_from(const oci::Config& config, const fs::path& bundle) {
    stage03::Options options = options_from_process(config.process);
    options.make_workdir = true;
    options.hooks = config.hooks;
    refuse_missing(config);
    const oci::Linux& linux_ = config.linux_;
    set_namespaces(config, options);
    set_mounts(config, bundle, options);
    if (linux_.personality) {
        options.attributes.personality = linux_.personality->domain;
    }
    set_resources(linux_, options);
    check_sysctls(linux_.sysctl, options.own_namespaces);
    options.sysctl = linux_.sysctl;
    if (linux_.seccomp) {
        options.seccomp = seccomp_profile_from(*linux_.seccomp);
    }
    return options;
}

Bundle load_bundle(const fs::path& bundle, const std::string& id, const fs::path& config_file) {
    std::error_code error;
    const fs::path directory = fs::canonical(bundle, error);
    if (error) {
        throw InputError(fmt::format("bundle {}: no such directory", bundle.native()));
    }
    const fs::path file = config_file.empty() ? directory / "config.json" : config_file;
    std::string text = oci::read_config_text(file);
    oci::ReadConfig read = oci::parse_config(text, file.native());
    Bundle result{.directory = directory,
                  .options = options_from(read.config, directory),
                  .warnings = std::move(read.warnings),
                  .config_text = std::move(text),
                  .annotations = std::move(read.config.annotations)};
    for (std::string& warning : warnings_about(read.config.process, result.options)) {
        result.warnings.push_back(std::move(warning));
    }
    fs::path& rootfs = result.options.rootfs.directory;
    if (fs::is_symlink(fs::symlink_status(rootfs, error))) {
        throw InputError(
            fmt::format("{}/config.json: /root/path: {}: expected a directory, got a symbolic link",
                        directory.native(), rootfs.native()));
    }
    if (!fs::is_directory(rootfs, error)) {
        throw InputError(fmt::format("{}/config.json: /root/path: {}: no such directory",
                                     directory.native(), rootfs.native()));
    }
    rootfs = fs::canonical(rootfs);
    if (result.options.cgroup_path.empty()) {
        result.options.cgroup_path = id;
    }
    return result;
}

}  // namespace drydock
