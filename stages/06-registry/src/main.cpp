#include <functional>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"

#include "registry_commands.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-06";
    CLI::App app("A registry, and what brings images there and back", kProgram);
    app.require_subcommand(1);
    std::function<int()> command;
    drydock::add_registry_commands(app, command);
    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        return command();
    } catch (...) {
        const int status = drydock::report_current_exception(kProgram);
        // As docker's: 125 says that a container could not be had; a pull that fails ends with 1.
        const bool is_transfer = !app.got_subcommand("run") && !app.got_subcommand("serve");
        return status == drydock::kSetupFailed && is_transfer ? 1 : status;
    }
}
