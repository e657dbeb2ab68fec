#include <algorithm>
#include <cstdlib>
#include <span>
#include <string_view>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/own_program.hpp"

#include "runtime_commands.hpp"

namespace {

constexpr const char* kProgram = "drydock-runtime";

/// Of `run` and `exec` the status of a command that was never reached is docker's 125 to 127; of
/// everything else it is 1.
int failure_status(const CLI::App& app, int status) {
    // Those that were parsed: there are none yet when the program could not be protected.
    const bool has_status = std::ranges::any_of(app.get_subcommands(), [](const CLI::App* verb) {
        return verb->get_name() == "run" || verb->get_name() == "exec";
    });
    return has_status ? status : 1;
}

}  // namespace

/// Of these a process gets into a container (own_program.hpp).
extern "C" constinit const char* const drydock_protected_verbs[] = {"create", "run", "exec",
                                                                    nullptr};

namespace {

bool enters_container(int argc, char** argv) {
    return std::any_of(argv + 1, argv + argc, [](std::string_view argument) {
        return std::ranges::any_of(drydock_protected_verbs, [&](const char* verb) {
            return verb != nullptr && argument == verb;
        });
    });
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Runs containers from OCI bundles", kProgram);
    app.require_subcommand(1);
    drydock::RuntimeFlags flags;
    std::function<int()> command;
    try {
        if (enters_container(argc, argv)) {
            drydock::protect_own_program(argv);
        }
        drydock::add_runtime_commands(
            app, std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0 ? 1 : 0), flags,
            command);
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status == 0 ? 0 : failure_status(app, *status);
        }
        drydock::open_runtime_log(flags.log, flags.log_format, flags.debug);
        if (!flags.refused.empty()) {
            throw drydock::NotImplemented(flags.refused);
        }
        // Not `return`: what has an owner has been given back, and the rest need not be freed.
        std::_Exit(command());
    } catch (const std::exception& e) {
        drydock::log_error(e.what());
        return failure_status(app, drydock::report_current_exception(kProgram));
    }
}
