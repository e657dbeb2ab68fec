#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/own_program.hpp"
#include "03-cgroups/container_init.hpp"
#include "03-cgroups/shim.hpp"
#include "03-cgroups/shim_zygote.hpp"

/// Whatever the arguments: a process of it gets into a container (own_program.hpp).
extern "C" constinit const char* const drydock_protected_verbs[] = {nullptr};

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-shim";
    // Bound into a container as its first process: docker's --init.
    if (argc > 2 && std::string_view(argv[0]).ends_with("/docker-init") &&
        std::string_view(argv[1]) == "--") {
        return drydock::run_as_init(argv + 2);
    }
    CLI::App app(
        "Starts one container and keeps its output and its exit status; started by the daemon. "
        "With --zygote alone: makes a copy of itself for each container instead, "
        "asked for on its standard input",
        kProgram);
    drydock::ShimOptions options;
    app.add_option("--root", options.root, "where the state of containers is kept")
        ->required()
        ->type_name("DIR");
    app.add_option("--bundle", options.bundle, "the bundle: a directory with config.json")
        ->required()
        ->type_name("DIR");
    app.add_option("--log", options.log_file,
                   "gets the command's output, a JSON line for each of its lines")
        ->required()
        ->type_name("FILE");
    app.add_option("--log-max-size", options.log_limits.max_bytes,
                   "begin a new file of the log when it has this many bytes; 0: never")
        ->type_name("BYTES");
    app.add_option("--log-max-file", options.log_limits.max_files,
                   "how many files of the log are kept")
        ->type_name("NUMBER");
    app.add_flag("--open-stdin", options.open_stdin,
                 "the command's input is what attached clients send");
    app.add_flag("--stdin-once", options.stdin_once, "and ends with the first of them");
    app.add_option("--rows", options.rows, "of its terminal")->type_name("NUMBER");
    app.add_option("--columns", options.columns, "of its terminal")->type_name("NUMBER");
    std::int64_t hold_ms = options.hold.count();
    app.add_option("--hold", hold_ms,
                   "how many milliseconds a client that takes no output may hold the command up")
        ->capture_default_str()
        ->type_name("MS");
    app.add_option("--explain-file", options.explain_file,
                   "gets each step of the start with its calls")
        ->type_name("FILE");
    app.add_option("--without", options.walk.without, "leave out a step, to see what breaks")
        ->type_name("STEP")
        ->allow_extra_args(false);
    app.add_option("ID", options.id, "names the container")->required()->type_name("");
    try {
        drydock::protect_own_program(argv);
        if (argc == 2 && std::string_view(argv[1]) == "--zygote") {
            return drydock::run_shim_zygote();
        }
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        options.hold = std::chrono::milliseconds(hold_ms);
        return drydock::run_shim(options);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
