#include "subcommands.hpp"

#include <unistd.h>

#include <cstdio>

#include "01-chroot/error.hpp"
#include "02-namespaces/command_line.hpp"
#include "03-cgroups/command_line.hpp"

#include "commands.hpp"

namespace drydock::stage04 {
namespace {

void add_layer_commands(CLI::App& app, Arguments& arguments, int& status) {
    CLI::App* apply =
        app.add_subcommand("apply", "unpack a layer into a directory, in overlay's form");
    apply->add_option("LAYER", arguments.layer, "a tar archive, plain or with gzip or zstd")
        ->required()
        ->type_name("FILE");
    apply->add_option("DIRECTORY", arguments.directory, "empty, or to be made")
        ->required()
        ->type_name("DIR");
    apply->final_callback([&] { status = stage04::apply(arguments.layer, arguments.directory); });

    CLI::App* diff =
        app.add_subcommand("diff", "pack the upper directory of an overlay into a layer");
    diff->add_option("UPPER", arguments.directory, "holds the changes")
        ->required()
        ->type_name("DIR");
    diff->add_option("-o,--output", arguments.output, "the layer, gzip")
        ->required()
        ->type_name("FILE");
    diff->final_callback([&] { status = stage04::diff(arguments.directory, arguments.output); });
}

void add_run_command(CLI::App& app, Arguments& arguments, int& status) {
    CLI::App* run = app.add_subcommand("run", "run COMMAND in a root made of layers");
    run->add_option("--layer", arguments.run.layers, "an archive; the first one is the lowest")
        ->required()
        ->type_name("FILE")
        ->allow_extra_args(false);
    stage02::add_flags(*run, arguments.flags);
    run->remove_option(run->get_option("ROOTFS"));
    add_limit_flags(*run, arguments.limits);
    run->final_callback([&] {
        check_limits(arguments.limits);
        if (arguments.flags.user_namespace || ::geteuid() != 0) {
            throw NotImplemented("layers in a user namespace; expected root, and no --userns");
        }
        arguments.run.start = options_from(arguments.flags, arguments.limits);
        const stage03::Ended ended = stage04::run(arguments.run);
        if (const std::string text =
                oom_text(ended.exit_status, ended.oom_killed, arguments.limits);
            !text.empty()) {
            static_cast<void>(std::fprintf(stderr, "drydock-04: %s\n", text.c_str()));
        }
        status = ended.exit_status;
    });
}

void add_mount_command(CLI::App& app, Arguments& arguments, int& status) {
    CLI::App* mount = app.add_subcommand("mount", "mount an overlay; umount(8) ends it");
    mount->add_option("--lower", arguments.lowers, "read-only directories, topmost first")
        ->required()
        ->type_name("A:B");
    CLI::Option* upper = mount->add_option("--upper", arguments.overlay.upper, "takes the changes")
                             ->type_name("DIR");
    mount->add_option("--work", arguments.overlay.work, "empty, on the filesystem of --upper")
        ->type_name("DIR")
        ->needs(upper);
    mount->add_option("TARGET", arguments.directory, "where to")->required()->type_name("DIR");
    mount->final_callback([&] {
        for (const std::string& lower : CLI::detail::split(arguments.lowers, ':')) {
            arguments.overlay.lowers.emplace_back(lower);
        }
        status = stage04::mount(arguments.overlay, arguments.directory);
    });
}

void add_store_commands(CLI::App& app, Arguments& arguments, int& status) {
    CLI::App* store = app.add_subcommand("store", "look into a content store");
    store->require_subcommand(1);
    CLI::App* list = store->add_subcommand("ls", "each blob's digest and size");
    CLI::App* verify =
        store->add_subcommand("verify", "read every blob and compare it with its digest");
    for (CLI::App* command : {list, verify}) {
        command->add_option("STORE", arguments.directory, "an OCI image layout")
            ->required()
            ->type_name("DIR");
    }
    list->final_callback([&] { status = stage04::list_store(arguments.directory); });
    verify->final_callback([&] { status = stage04::verify_store(arguments.directory); });
}

}  // namespace

void add_subcommands(CLI::App& app, Arguments& arguments, int& status) {
    add_layer_commands(app, arguments, status);
    add_run_command(app, arguments, status);
    add_mount_command(app, arguments, status);
    add_store_commands(app, arguments, status);
}

}  // namespace drydock::stage04
