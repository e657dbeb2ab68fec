#include <CLI/CLI.hpp>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-daemon";
    CLI::App app("Serves the Docker Engine API on a Unix socket", kProgram);
    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        throw drydock::NotImplemented("the daemon");
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
