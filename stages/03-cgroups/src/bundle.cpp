#include "03-cgroups/bundle.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/sysctl.hpp"

#include "bundle_sections.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

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

stage03::Options options_from_process(const oci::Process& process) {
    stage03::Options options;
    options.command = {.argv = process.args, .env = process.env, .workdir = process.cwd};
    options.terminal.wanted = process.terminal;
    if (process.terminal && process.console_size) {
        options.terminal.size = {.rows = process.console_size->height,
                                 .columns = process.console_size->width};
    }
    options.exec_cpus = {.initial = process.exec_cpu_affinity.initial,
                         .final_ = process.exec_cpu_affinity.final_};
    set_identity(process, options);
    return options;
}

stage03::Options options_from(const oci::Config& config, const fs::path& bundle) {
    stage03::Options options = options_from_process(config.process);
    options.make_workdir = true;
    options.hooks = config.hooks;
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
        set_seccomp(*linux_.seccomp, options);
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
