#include <cstdio>
#include <iostream>

#include <fmt/format.h>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "03-cgroups/lifecycle.hpp"

namespace {

using drydock::RunRequest;

constexpr const char* kProgram = "drydock-runtime";

struct Arguments {
    RunRequest run{.root = "/run/drydock/runtime"};
    std::string signal = "TERM";
    bool force = false;
    bool quiet = false;
};

/// The operations of runc that are still to come: known, so that the answer is not "no such
/// command".
void add_missing(CLI::App& app) {
    for (const char* name : {"create", "start", "exec", "ps", "pause", "resume", "update", "events",
                             "spec", "features"}) {
        app.add_subcommand(name, "not implemented")->prefix_command()->callback([name] {
            throw drydock::NotImplemented(name);
        });
    }
}

void add_run(CLI::App& app, Arguments& arguments, int& status) {
    CLI::App* run = app.add_subcommand("run", "run a bundle's command and wait for it");
    run->add_option("-b,--bundle", arguments.run.bundle, "the bundle: a directory with config.json")
        ->type_name("DIR")
        ->default_val(".");
    run->add_option("--pid-file", arguments.run.pid_file,
                    "where to write the pid of the first process")
        ->type_name("FILE");
    run->add_option("ID", arguments.run.id, "names the container")->required()->type_name("");
    drydock::add_walk_flags(*run, arguments.run.walk);
    run->callback([&] { status = drydock::run_container(arguments.run).exit_status; });
}

void add_kill_and_delete(CLI::App& app, Arguments& arguments) {
    CLI::App* kill = app.add_subcommand("kill", "send a signal to a container's first process");
    kill->add_option("ID", arguments.run.id)->required()->type_name("");
    kill->add_option("SIGNAL", arguments.signal, "SIGTERM if not given")->type_name("");
    kill->callback([&] {
        drydock::kill_container(arguments.run.root, arguments.run.id,
                                drydock::signal_number(arguments.signal));
    });
    CLI::App* remove = app.add_subcommand("delete", "remove what a container left behind");
    remove->add_flag("-f,--force", arguments.force, "kill it first; no container is fine");
    remove->add_option("ID", arguments.run.id)->required()->type_name("");
    remove->callback([&] {
        drydock::delete_container(
            arguments.run.root, arguments.run.id,
            arguments.force ? drydock::Deletion::Forced : drydock::Deletion::OfStopped);
    });
}

void print_list(const Arguments& arguments) {
    if (!arguments.quiet) {
        std::cout << fmt::format("{:<24} {:>8} {:<10} {:<32} {}\n", "ID", "PID", "STATUS",
                                 "CREATED", "BUNDLE");
    }
    for (const drydock::ContainerState& state : drydock::list_states(arguments.run.root)) {
        const std::string_view status = drydock::status_of(state);
        std::cout << (arguments.quiet ? state.id + "\n"
                                      : fmt::format("{:<24} {:>8} {:<10} {:<32} {}\n", state.id,
                                                    status == "running" ? state.init.pid : 0,
                                                    status, state.created, state.bundle.native()));
    }
}

void add_state_and_list(CLI::App& app, Arguments& arguments) {
    CLI::App* state = app.add_subcommand("state", "print a container's state as JSON");
    state->add_option("ID", arguments.run.id)->required()->type_name("");
    state->callback([&] {
        std::cout << drydock::state_json(drydock::load_state(arguments.run.root, arguments.run.id));
    });
    CLI::App* list = app.add_subcommand("list", "list the containers");
    list->add_flag("-q,--quiet", arguments.quiet, "IDs only");
    list->callback([&] { print_list(arguments); });
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Runs containers from OCI bundles", kProgram);
    app.require_subcommand(1);
    Arguments arguments;
    int status = 0;
    app.add_option("--root", arguments.run.root, "where the state of containers is kept")
        ->type_name("DIR");
    add_run(app, arguments, status);
    add_kill_and_delete(app, arguments);
    add_state_and_list(app, arguments);
    add_missing(app);
    try {
        return drydock::parse_command_line(app, argc, argv).value_or(status);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
