#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/command_line.hpp"
#include "02-namespaces/run.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-02";
    CLI::App app("Runs a command in a world of its own: processes, mounts, names, network",
                 kProgram);
    app.require_subcommand(1);
    drydock::stage02::Options options;
    CLI::App* run = app.add_subcommand("run", "run COMMAND with ROOTFS as its root directory");
    drydock::stage02::add_flags(*run, options);
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
