#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/run.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-01";
    CLI::App app("Runs a command in a root of its own, and in nothing else of its own", kProgram);
    app.require_subcommand(1);

    drydock::stage01::Options options;
    CLI::App* run = app.add_subcommand("run", "run COMMAND with ROOTFS as its root directory");
    run->add_option("ROOTFS", options.rootfs, "a directory that holds a root file system")
        ->required()
        ->type_name("DIR");
    drydock::add_command_flags(*run, options.command);
    drydock::add_walk_flags(*run, options.walk);

    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        options.rootfs = drydock::checked_rootfs(options.rootfs);
        return drydock::stage01::run(options);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
