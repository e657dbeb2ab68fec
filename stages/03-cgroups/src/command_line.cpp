#include "03-cgroups/command_line.hpp"

#include <sched.h>
#include <unistd.h>

#include <functional>
#include <string>

#include <fmt/format.h>

#include "02-namespaces/masks.hpp"
#include "02-namespaces/namespaces.hpp"

namespace drydock {
namespace {

/// A flag whose text `parse` turns into a limit; its InputError becomes CLI11's, which names the
/// flag once more.
void add_limit(CLI::App& app, const std::string& flag, const char* type, const char* help,
               const std::function<void(const std::string&)>& parse) {
    app.add_option_function<std::string>(
           flag, [parse](const std::string& text) { parse(text); }, help)
        ->type_name(type);
}

std::int64_t parse_count(const std::string& text, const std::string& flag) {
    std::int64_t number = 0;
    if (!CLI::detail::lexical_cast(text, number)) {
        throw CLI::ValidationError(flag, "expected a whole number, got \"" + text + "\"");
    }
    return number;
}

}  // namespace

void add_limit_flags(CLI::App& app, Limits& limits) {
    add_limit(app, "-m,--memory", "SIZE", "memory at most, as in 64m or 1g (at least 6m)",
              [&](const std::string& text) { limits.memory_bytes = parse_size(text, "--memory"); });
    add_limit(app, "--memory-swap", "SIZE",
              "memory and swap together at most; -1: as much swap as there is",
              [&](const std::string& text) {
                  limits.memory_swap_bytes = text == "-1" ? -1 : parse_size(text, "--memory-swap");
              });
    add_limit(app, "--cpus", "N", "CPUs' worth of time at most, as in 0.5",
              [&](const std::string& text) { limits.nano_cpus = parse_cpus(text, "--cpus"); });
    add_limit(
        app, "--cpu-shares", "N", "weight against others when CPUs are short; 1024 is usual",
        [&](const std::string& text) { limits.cpu_shares = parse_count(text, "--cpu-shares"); });
    add_limit(app, "--pids-limit", "N", "processes and threads at most; -1: no limit",
              [&](const std::string& text) {
                  const std::int64_t number = parse_count(text, "--pids-limit");
                  limits.pids = number == -1 ? std::nullopt : std::optional(number);
              });
}

stage03::Options options_from(const stage02::Options& flags, const Limits& limits) {
    const bool user_namespace = flags.user_namespace || !may_make_namespaces();
    if (user_namespace) {
        require_user_namespaces();
    }
    const bool host_network = flags.network == stage02::Network::Host;
    const CapabilitySet capabilities =
        adjusted(kDefaultCapabilities, flags.cap_add, flags.cap_drop);
    constexpr std::uint32_t kTtyGroup = 5;
    stage03::Options options;
    options.rootfs = {.directory = flags.rootfs, .readonly = flags.readonly};
    options.command = flags.command;
    options.walk = flags.walk;
    options.namespaces = default_namespaces() | CLONE_NEWCGROUP;
    options.namespaces |= host_network ? 0 : std::uint64_t{CLONE_NEWNET};
    options.namespaces |= user_namespace ? std::uint64_t{CLONE_NEWUSER} : 0;
    options.id_maps = own_id_maps();
    options.hostname = flags.hostname;
    options.mounts = default_mounts(
        {.host_network = host_network,
         .user_namespace = user_namespace,
         .maps_tty_group = !user_namespace || maps(options.id_maps.gids, kTtyGroup)});
    options.devices = default_devices();
    options.masked_paths = default_masked_paths();
    options.readonly_paths = default_readonly_paths();
    options.cgroup_path = run_group_name();
    options.limits = limits;
    options.device_rules = default_device_rules();
    options.user_name = flags.user.empty() ? "0" : flags.user;
    options.rlimits = default_rlimits();
    options.capability_set = capabilities;
    options.seccomp = default_seccomp_profile(capabilities);
    options.no_new_privs = true;
    options.init = flags.init;
    return options;
}

}  // namespace drydock
