#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"

#include "subcommands.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-04";
    CLI::App app(
        "Layers: the files of a container as a stack of read-only directories and one of its own",
        kProgram);
    app.require_subcommand(1);
    drydock::stage04::Arguments arguments;
    int status = 0;
    drydock::stage04::add_subcommands(app, arguments, status);
    try {
        return drydock::parse_command_line(app, argc, argv).value_or(status);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
