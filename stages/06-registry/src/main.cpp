#include <functional>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"

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
        return drydock::report_current_exception(kProgram);
    }
}
