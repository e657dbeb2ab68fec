#include "runtime_commands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string_view>

#include <CLI/Validators.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/printable.hpp"
#include "03-cgroups/default_config.hpp"
#include "03-cgroups/lifecycle.hpp"

#include "process_table.hpp"
#include "runtime_update.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// Each command's own flags live as long as the command line does.
template <class Flags>
std::shared_ptr<Flags> flags_of() {
    return std::make_shared<Flags>();
}

void print_text(const std::string& text) {
    write_all(1, text, "standard output");
}

fs::path default_root() {
    if (::geteuid() == 0) {
        return "/run/drydock/runtime";
    }
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe)
    return fs::path(runtime != nullptr ? runtime : fmt::format("/tmp/run-{}", ::geteuid())) /
           "drydock/runtime";
}

void add_global_flags(CLI::App& app, RuntimeFlags& flags) {
    flags.root = default_root();
    app.add_option("--root", flags.root, "where the state of containers is kept")->type_name("DIR");
    app.add_option("--log", flags.log, "a file that errors are appended to")->type_name("FILE");
    app.add_option_function<std::string>(
           "--log-format",
           [&flags](const std::string& format) {
               flags.log_format = format == "json" ? LogFormat::Json : LogFormat::Text;
           },
           "text or json")
        ->check(CLI::IsMember({"text", "json"}));
    app.add_flag("--debug", flags.debug, "more in the log");
    app.add_flag_callback(
        "--systemd-cgroup",
        [&flags] { flags.refused = "--systemd-cgroup: groups that systemd makes"; },
        "refused: groups are made by the runtime itself");
    app.add_option_function<std::string>(
           "--cgroup-manager",
           [&flags](const std::string& manager) {
               if (manager != "cgroupfs") {
                   flags.refused = fmt::format("--cgroup-manager {}; expected cgroupfs", manager);
               }
           },
           "cgroupfs")
        ->type_name("NAME");
    app.add_option("--rootless", "accepted for runc's sake: what we may do is found out")
        ->type_name("BOOL");
    app.add_option("--criu", "accepted for runc's sake")->type_name("FILE");
    app.set_version_flag("-v,--version",
                         fmt::format("drydock-runtime version 0.1.0\nspec: {}", kOciVersion));
}

void add_create_flags(CLI::App& command, RuntimeFlags& flags, CreateRequest& request) {
    command.add_option("-b,--bundle", request.bundle, "the bundle: a directory with config.json")
        ->type_name("DIR")
        ->default_val(".");
    command
        .add_option_function<fs::path>(
            "-f,--config", [&request](const fs::path& file) { request.config_file = file; },
            "another file than BUNDLE/config.json")
        ->type_name("FILE");
    command
        .add_option("--pid-file", request.pid_file, "where to write the pid of the first process")
        ->type_name("FILE");
    command
        .add_option("--console-socket", request.console_socket,
                    "a Unix socket that the terminal's other end is sent to")
        ->type_name("SOCKET");
    command
        .add_option("--preserve-fds", request.preserve_fds,
                    "so many descriptors from 3 on are the command's as well")
        ->type_name("N");
    command.add_flag_callback(
        "--no-pivot",
        [&flags] { flags.refused = "--no-pivot: a root that pivot_root(2) cannot change"; },
        "refused");
    command.add_flag_callback(
        "--no-new-keyring", [&request] { request.new_keyring = false; },
        "leave the session's keyring as it is");
    command.add_flag_callback("--no-subreaper", [] {}, "accepted for runc's sake");
    command.add_option("ID", request.id, "names the container")->required()->type_name("");
    add_walk_flags(command, request.walk);
}

template <class Body>
void set_command(CLI::App& app, std::function<int()>& command, Body body) {
    app.callback([&command, body] {
        command = [body] {
            if constexpr (std::is_void_v<decltype(body())>) {
                body();
                return 0;
            } else {
                return body();
            }
        };
    });
}

void add_create(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* create = app.add_subcommand("create", "make a container that waits to be started");
    auto request = flags_of<CreateRequest>();
    add_create_flags(*create, flags, *request);
    set_command(*create, command, [&flags, request] {
        request->root = flags.root;
        create_container(*request);
    });
}

void add_run(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* run = app.add_subcommand("run", "run a bundle's command and wait for it");
    auto request = flags_of<RunRequest>();
    add_create_flags(*run, flags, *request);
    run->add_flag("-d,--detach", request->detach, "do not wait for it");
    run->add_flag("--keep", request->keep, "keep the container when its command has ended");
    set_command(*run, command, [&flags, request] {
        request->root = flags.root;
        return run_container(*request).exit_status;
    });
}

struct IdFlags {
    std::string id{};
    bool force = false;
    bool all = false;
    bool quiet = false;
    bool rootless = false;
    bool stats = false;
    std::string signal = "TERM";
    std::string format = "table";
    std::string interval = "5s";
    fs::path bundle{};
    std::vector<std::string> arguments{};
};

std::shared_ptr<IdFlags> add_id(CLI::App& command) {
    auto id = flags_of<IdFlags>();
    command.add_option("ID", id->id)->required()->type_name("");
    return id;
}

void add_start(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* start = app.add_subcommand("start", "run the command of a container that waits");
    auto started = add_id(*start);
    set_command(*start, command, [&flags, started] { start_container(flags.root, started->id); });
}

void add_kill(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* kill = app.add_subcommand("kill", "send a signal to a container's first process");
    auto killed = add_id(*kill);
    kill->add_option("SIGNAL", killed->signal, "SIGTERM if not given")->type_name("");
    kill->add_flag("-a,--all", killed->all, "to every process of the container");
    set_command(*kill, command, [&flags, killed] {
        const int signal = signal_number(killed->signal);
        killed->all ? kill_all_of_container(flags.root, killed->id, signal)
                    : kill_container(flags.root, killed->id, signal);
    });
}

void add_delete(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* remove = app.add_subcommand("delete", "remove what a container left behind");
    auto removed = add_id(*remove);
    remove->add_flag("-f,--force", removed->force, "kill it first; no container is fine");
    set_command(*remove, command, [&flags, removed] {
        delete_container(flags.root, removed->id,
                         removed->force ? Deletion::Forced : Deletion::OfStopped);
    });
}

void add_pause(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* pause = app.add_subcommand("pause", "stop every process where it is");
    auto paused = add_id(*pause);
    set_command(*pause, command, [&flags, paused] { pause_container(flags.root, paused->id); });
}

void add_resume(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* resume = app.add_subcommand("resume", "let a paused container go on");
    auto resumed = add_id(*resume);
    set_command(*resume, command, [&flags, resumed] { resume_container(flags.root, resumed->id); });
}

void add_exec(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* exec = app.add_subcommand("exec", "run one more process in a container");
    auto request = flags_of<ExecRequest>();
    const auto text = [&](const char* name, auto& value, const char* what, const char* type) {
        exec->add_option(name, value, what)->type_name(type);
    };
    text("-p,--process", request->process_file, "a JSON file with the process", "FILE");
    text("--cwd", request->cwd, "working directory", "DIR");
    text("-u,--user", request->user, "who it runs as", "UID[:GID]");
    text("--pid-file", request->pid_file, "where to write its pid", "FILE");
    text("--console-socket", request->console_socket,
         "a Unix socket that the terminal's other end is sent to", "SOCKET");
    text("--preserve-fds", request->preserve_fds,
         "so many descriptors from 3 on are the command's as well", "N");
    exec->add_option("-e,--env", request->env, "one more variable")->allow_extra_args(false);
    exec->add_option("-g,--additional-gids", request->additional_gids, "supplementary groups")
        ->allow_extra_args(false);
    exec->add_option("-c,--cap", request->capabilities, "one more capability")
        ->allow_extra_args(false);
    exec->add_flag("-t,--tty", request->terminal, "give it a terminal");
    exec->add_flag("-d,--detach", request->detach, "do not wait for it");
    exec->add_flag("--no-new-privs", request->no_new_privs, "no execve gives it more");
    exec->add_flag("--ignore-paused", request->ignore_paused, "also in a paused container");
    for (const char* name : {"--apparmor", "--process-label", "--cgroup"}) {
        exec->add_option_function<std::string>(
            name,
            [&flags, name](const std::string&) { flags.refused = fmt::format("exec {}", name); },
            "refused");
    }
    exec->add_option("ID", request->id)->required()->type_name("");
    exec->add_option("COMMAND", request->args, "the command and its arguments")->type_name("");
    exec->positionals_at_end();
    add_walk_flags(*exec, request->walk);
    set_command(*exec, command, [&flags, request] {
        request->root = flags.root;
        return exec_in_container(*request);
    });
}

nlohmann::ordered_json list_json(const std::vector<ContainerState>& states) {
    auto list = nlohmann::ordered_json::array();
    for (const ContainerState& state : states) {
        list.push_back(nlohmann::ordered_json::parse(state_json(state)));
    }
    return list;
}

void print_list(const fs::path& root, const IdFlags& list) {
    const std::vector<ContainerState> states = list_states(root);
    if (list.format == "json") {
        print_text(list_json(states).dump() + "\n");
        return;
    }
    std::string text = list.quiet ? ""
                                  : fmt::format("{:<24} {:>8} {:<10} {:<32} {}\n", "ID", "PID",
                                                "STATUS", "CREATED", "BUNDLE");
    for (const ContainerState& state : states) {
        const std::string_view status = full_status(state);
        text += list.quiet ? state.id + "\n"
                           : fmt::format("{:<24} {:>8} {:<10} {:<32} {}\n", state.id,
                                         status == "stopped" ? 0 : state.init.pid, status,
                                         state.created, printable(state.bundle.native()));
    }
    print_text(text);
}

void add_format(CLI::App& command, IdFlags& flags) {
    command.add_option("-f,--format", flags.format, "table or json")
        ->check(CLI::IsMember({"table", "json"}));
}

void add_state(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* state = app.add_subcommand("state", "print a container's state as JSON");
    auto asked = add_id(*state);
    set_command(*state, command,
                [&flags, asked] { print_text(state_json(load_state(flags.root, asked->id))); });
}

void add_list(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* list = app.add_subcommand("list", "list the containers");
    auto listed = flags_of<IdFlags>();
    list->add_flag("-q,--quiet", listed->quiet, "IDs only");
    add_format(*list, *listed);
    set_command(*list, command, [&flags, listed] { print_list(flags.root, *listed); });
}

void add_ps(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* ps = app.add_subcommand("ps", "list a container's processes");
    auto shown = add_id(*ps);
    add_format(*ps, *shown);
    ps->add_option("ARGUMENT", shown->arguments, "for ps(1)")->type_name("");
    ps->positionals_at_end();
    set_command(*ps, command, [&flags, shown] {
        const std::vector<pid_t> pids = processes_of_container(flags.root, shown->id);
        print_text(shown->format == "json" ? nlohmann::json(pids).dump() + "\n"
                                           : process_table(pids, shown->arguments));
    });
}

void add_events(CLI::App& app, RuntimeFlags& flags, std::function<int()>& command) {
    CLI::App* events =
        app.add_subcommand("events", "what a container uses, and when memory runs out");
    auto watched = add_id(*events);
    events->add_flag("--stats", watched->stats, "once, and no more");
    events->add_option("--interval", watched->interval, "between two lines")->type_name("5s");
    set_command(*events, command, [&flags, watched] {
        if (watched->stats) {
            print_text(statistics_of_container(flags.root, watched->id) + "\n");
            return;
        }
        follow_events(flags.root, watched->id, duration_from(watched->interval),
                      [](const std::string& line) { print_text(line + "\n"); });
    });
}

void write_new_config(const IdFlags& flags) {
    const UniqueFd directory = open_file(flags.bundle, O_RDONLY | O_DIRECTORY);
    const int file =
        ::openat(directory.get(), "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file == -1 && errno == EEXIST) {
        throw InputError(fmt::format("{}: exists already; remove it first",
                                     (flags.bundle / "config.json").native()));
    }
    check(file, "open({}, O_CREAT|O_EXCL)", (flags.bundle / "config.json").native());
    write_all(UniqueFd(file).get(), default_config(flags.rootless), "config.json");
}

void add_spec(CLI::App& app, RuntimeFlags& /*flags*/, std::function<int()>& command) {
    CLI::App* spec = app.add_subcommand("spec", "write a config.json to begin a bundle with");
    auto written = flags_of<IdFlags>();
    spec->add_option("-b,--bundle", written->bundle, "where to")
        ->type_name("DIR")
        ->default_val(".");
    spec->add_flag("--rootless", written->rootless, "for a user without privileges");
    set_command(*spec, command, [written] { write_new_config(*written); });
}

void add_features(CLI::App& app, RuntimeFlags& /*flags*/, std::function<int()>& command) {
    CLI::App* what = app.add_subcommand("features", "print what this runtime can do, as JSON");
    set_command(*what, command, [] { print_text(features()); });
}

struct RuntimeVerb {
    std::string_view name;
    void (*add)(CLI::App&, RuntimeFlags&, std::function<int()>&);
};
constexpr RuntimeVerb kRuntimeVerbs[] = {
    {"create", add_create}, {"run", add_run},       {"start", add_start},
    {"kill", add_kill},     {"delete", add_delete}, {"pause", add_pause},
    {"resume", add_resume}, {"exec", add_exec},     {"state", add_state},
    {"list", add_list},     {"ps", add_ps},         {"events", add_events},
    {"update", add_update}, {"spec", add_spec},     {"features", add_features},
};

constexpr std::string_view kFlagsWithValue[] = {"--root",           "--log",      "--log-format",
                                                "--cgroup-manager", "--rootless", "--criu"};

/// The first argument that is neither a flag nor a flag's value.
std::string_view asked_verb(std::span<char* const> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (!argument.starts_with('-')) {
            return argument;
        }
        if (std::ranges::find(kFlagsWithValue, argument) != std::end(kFlagsWithValue)) {
            ++i;
        }
    }
    return {};
}

}  // namespace

void add_runtime_commands(CLI::App& app, std::span<char* const> arguments, RuntimeFlags& flags,
                          std::function<int()>& command) {
    add_global_flags(app, flags);
    const auto* const asked =
        std::ranges::find(kRuntimeVerbs, asked_verb(arguments), &RuntimeVerb::name);
    for (const RuntimeVerb& verb : kRuntimeVerbs) {
        if (asked == std::end(kRuntimeVerbs) || asked == &verb) {
            verb.add(app, flags, command);
        }
    }
}

}  // namespace drydock
