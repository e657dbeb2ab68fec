#include "01-chroot/command_line.hpp"

#include <cstdlib>
#include <iostream>
#include <string>

// Everything that CLI/App.hpp, which the other files include, only declares: once for a program, as
// it takes seconds to compile.
#include <CLI/CLI.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"

namespace drydock {
namespace {

/// "NAME=value" as it is; "NAME" takes its value from our own environment and is dropped when there
/// is none.
std::vector<std::string> resolved(const std::vector<std::string>& variables) {
    std::vector<std::string> result;
    for (const std::string& variable : variables) {
        if (variable.empty() || variable.front() == '=') {
            throw CLI::ValidationError("--env",
                                       "expected NAME=value or NAME, got \"" + variable + "\"");
        }
        if (variable.find('=') != std::string::npos) {
            result.push_back(variable);
        } else if (const char* value =
                       std::getenv(variable.c_str())) {  // NOLINT(concurrency-mt-unsafe)
            result.push_back(variable + "=" + value);
        }
    }
    return result;
}

}  // namespace

void add_command_flags(CLI::App& app, Command& command) {
    command.env = {std::string("PATH=") + kDefaultPath};
    app.add_option_function<std::vector<std::string>>(
           "-e,--env",
           [&command](const std::vector<std::string>& variables) {
               for (std::string& variable : resolved(variables)) {
                   const std::string name = variable.substr(0, variable.find('=') + 1);
                   std::erase_if(command.env,
                                 [&](const std::string& old) { return old.starts_with(name); });
                   command.env.push_back(std::move(variable));
               }
           },
           "set a variable of the command's environment (NAME alone: take ours)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app.add_option("-w,--workdir", command.workdir, "working directory inside the root")
        ->type_name("DIR")
        ->check([](const std::string& dir) {
            return dir.starts_with("/") ? "" : "expected an absolute path, got \"" + dir + "\"";
        });
    app.add_option("COMMAND", command.argv, "the command and its arguments")
        ->required()
        ->type_name("");
    // What stands behind the first positional belongs to COMMAND, also when it looks like a flag of
    // ours.
    app.positionals_at_end();
}

void add_walk_flags(CLI::App& app, WalkOptions& options) {
    app.add_flag("--explain", options.explain,
                 "print each step, its system calls and what it took, to stderr");
    app.add_option("--without", options.without,
                   "leave out a step, to see what breaks (a wrong name lists them)")
        ->type_name("STEP")
        ->allow_extra_args(false);
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
        return std::nullopt;
    } catch (const CLI::Success& e) {  // --help, --version
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << app.get_name() << ": " << e.what() << "\nSee '" << app.get_name()
                  << " --help'.\n";
        return kSetupFailed;
    }
}

std::filesystem::path checked_rootfs(const std::filesystem::path& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) {
        throw InputError("rootfs " + path.native() + ": no such directory");
    }
    if (!std::filesystem::is_directory(status)) {
        throw InputError("rootfs " + path.native() +
                         ": not a directory; expected one that holds /bin, /etc, ...");
    }
    return std::filesystem::canonical(path);
}

}  // namespace drydock
