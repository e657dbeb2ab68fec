#include "02-namespaces/command_line.hpp"

#include <map>
#include <string>

#include "01-chroot/command_line.hpp"

namespace drydock::stage02 {

void add_flags(CLI::App& run, Options& options) {
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
    add_command_flags(run, options.command);
    add_walk_flags(run, options.walk);
}

}  // namespace drydock::stage02
