#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/run.hpp"

namespace {

using drydock::stage02::Network;

void add_flags(CLI::App& run, drydock::stage02::Options& options) {
    run.add_option("ROOTFS", options.rootfs, "a directory that holds a root file system")
        ->required()
        ->type_name("DIR");
    run.add_option("--hostname", options.hostname, "the name the command finds its machine to have")
        ->type_name("NAME");
    run.add_flag("--userns", options.user_namespace,
                 "a user namespace too: root inside is nobody special outside");
    run.add_option_function<std::string>(
           "--net",
           [&options](const std::string& network) {
               if (network != "none" && network != "host") {
                   throw CLI::ValidationError("--net",
                                              "expected none or host, got \"" + network + "\"");
               }
               options.network = network == "host" ? Network::Host : Network::None;
           },
           "none: a network of its own with a loopback only; host: the host's")
        ->type_name("none|host");
    run.add_flag_callback(
        "--no-init", [&options] { options.init = false; }, "the command itself is PID 1");
    run.add_flag("--read-only", options.readonly, "the root file system cannot be written");
    run.add_option("-u,--user", options.user,
                   "names are those of the root's /etc/passwd and /etc/group")
        ->type_name("USER[:GROUP]");
    run.add_option("--cap-add", options.cap_add, "a capability more than the default ones, or ALL")
        ->type_name("CAP")
        ->allow_extra_args(false);
    run.add_option("--cap-drop", options.cap_drop, "a capability less, or ALL")
        ->type_name("CAP")
        ->allow_extra_args(false);
    drydock::add_command_flags(run, options.command);
    drydock::add_walk_flags(run, options.walk);
}

}  // namespace

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-02";
    CLI::App app("Runs a command in a world of its own: processes, mounts, names, network",
                 kProgram);
    app.require_subcommand(1);
    drydock::stage02::Options options;
    CLI::App* run = app.add_subcommand("run", "run COMMAND with ROOTFS as its root directory");
    add_flags(*run, options);
    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        options.rootfs = drydock::checked_rootfs(options.rootfs);
        return drydock::stage02::run(options);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
