#include "engine/image_defaults.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "03-cgroups/programs.hpp"
#include "05-images/reference.hpp"

#include "engine/mounts.hpp"

namespace drydock {
namespace {

constexpr const char* kInitProgram = "/sbin/docker-init";  ///< where docker has it

/// The image's variables under the client's.
std::vector<std::string> merged_environment(const std::vector<std::string>& below,
                                            const std::vector<std::string>& above) {
    const auto name_of_variable = [](const std::string& variable) {
        return variable.substr(0, variable.find('='));
    };
    std::vector<std::string> merged;
    for (const std::string& variable : below) {
        if (std::ranges::none_of(above, [&](const std::string& other) {
                return name_of_variable(other) == name_of_variable(variable);
            })) {
            merged.push_back(variable);
        }
    }
    // "NAME" alone takes the image's variable away.
    std::ranges::copy_if(above, std::back_inserter(merged),
                         [](const std::string& one) { return one.find('=') != std::string::npos; });
    return merged;
}

/// The client's check, with the image's where it says nothing.
std::optional<oci::Healthcheck> merged_check(std::optional<oci::Healthcheck> check,
                                             const std::optional<oci::Healthcheck>& of_image) {
    if (!check || !of_image) {
        return check ? check : of_image;
    }
    const auto fill = [](auto& value, const auto& otherwise) {
        if (value == std::remove_cvref_t<decltype(value)>{}) {
            value = otherwise;
        }
    };
    fill(check->test, of_image->test);
    fill(check->interval, of_image->interval);
    fill(check->timeout, of_image->timeout);
    fill(check->start_period, of_image->start_period);
    fill(check->start_interval, of_image->start_interval);
    fill(check->retries, of_image->retries);
    return check;
}

/// Who shares the host's network or its UTS namespace has its name.
std::string hostname_for(const ContainerConfig& config, const std::string& id) {
    if (config.network_mode != "host" && config.isolation.uts_mode != "host") {
        return id.substr(0, 12);
    }
    utsname machine{};
    check(::uname(&machine), "uname()");
    return machine.nodename;
}

}  // namespace

ContainerConfig with_image_defaults(ContainerConfig config, const Image& image,
                                    const oci::ImageConfig& settings, const std::string& id) {
    const oci::ExecutionConfig& of_image = settings.config;
    config.image_id = image.id.text();
    if (!config.cmd && !config.entrypoint) {
        config.cmd = of_image.cmd;
    }
    if (!config.entrypoint) {
        config.entrypoint = of_image.entrypoint;
    }
    if (config.entrypoint == std::vector<std::string>{""}) {
        config.entrypoint->clear();
    }
    config.entrypoint = config.entrypoint.value_or(std::vector<std::string>{});
    config.cmd = config.cmd.value_or(std::vector<std::string>{});
    config.env = merged_environment(of_image.env, config.env);
    config.working_dir = config.working_dir.empty() ? of_image.working_dir : config.working_dir;
    config.user = config.user.empty() ? of_image.user : config.user;
    config.stop_signal = config.stop_signal.empty() ? of_image.stop_signal : config.stop_signal;
    config.healthcheck = merged_check(config.healthcheck, of_image.healthcheck);
    config.hostname = config.hostname.empty() ? hostname_for(config, id) : config.hostname;
    std::map<std::string, std::string> labels = of_image.labels;
    for (const auto& [key, value] : config.labels) {
        labels[key] = value;
    }
    config.labels = std::move(labels);
    for (const std::string& port : of_image.exposed_ports) {
        if (std::ranges::find(config.exposed_ports, port) == config.exposed_ports.end()) {
            config.exposed_ports.push_back(port);
        }
    }
    return config;
}

ContainerOptions options_for_bundle(const ContainerConfig& config) {
    std::vector<std::string> entrypoint = config.entrypoint.value_or(std::vector<std::string>{});
    std::vector<oci::Mount> mounts = oci_mounts(config.mounts);
    if (config.init) {
        entrypoint.insert(entrypoint.begin(), {kInitProgram, "--"});
        mounts.push_back({.destination = kInitProgram,
                          .type = "bind",
                          .source = program_beside("drydock-shim"),
                          .options = {"bind", "ro", "nosuid", "nodev"}});
    }
    ContainerOptions options{.entrypoint = std::move(entrypoint),
                             .cmd = config.cmd,
                             .env = config.env,
                             .workdir = config.working_dir,
                             .user = config.user,
                             .hostname = config.hostname,
                             .terminal = config.tty,
                             .readonly_rootfs = config.read_only,
                             .limits = config.limits,
                             .mounts = std::move(mounts),
                             .network_namespace = config.network_mode == "host" ? "host" : "",
                             .annotations = config.annotations};
    put_isolation(config.isolation, options);
    return options;
}

std::string shown_image_name(const std::string& name) {
    try {
        return familiar(parse_reference(name));
    } catch (const InputError&) {
        return name;
    }
}

}  // namespace drydock
