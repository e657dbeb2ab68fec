#include "07-compose/compose/commands.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <thread>

#include <CLI/App.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/signals.hpp"
#include "01-chroot/unique_fd.hpp"
#include "07-compose/cli/commands.hpp"
#include "07-compose/cli/daemon_process.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"
#include "07-compose/compose/followed_logs.hpp"
#include "07-compose/compose/load.hpp"
#include "07-compose/compose/naming.hpp"
#include "07-compose/compose/project_engine.hpp"
#include "07-compose/compose/project_networks.hpp"
#include "07-compose/compose/render.hpp"

namespace drydock::compose {
namespace {

using nlohmann::json;
constexpr const char* kProgram = "drydock compose";

struct Flags {
    std::string file{};
    std::string project{};
    std::vector<std::string> services{};
    bool detach = false;
    bool build = false;
    bool force_recreate = false;
    int grace_seconds = 10;
    bool all = false;
    bool quiet = false;
    bool names_only = false;
    std::string format{};
    LogOptions logs{};
    bool no_prefix = false;
    bool volumes = false;
    std::string service{};
    int index = 1;
    bool no_terminal = false;
    bool ignored = false;
    std::vector<std::string> env{};
    std::string user{};
    std::string workdir{};
    std::vector<std::string> command{};
};

Project load(const Flags& flags) {
    const std::filesystem::path file = flags.file.empty()
                                           ? find_compose_file(std::filesystem::current_path())
                                           : std::filesystem::path(flags.file);
    Project project = load_project(file, flags.project);
    for (const std::string& warning : project.warnings) {
        static_cast<void>(std::fprintf(stderr, "%s: warning: %s\n", kProgram, warning.c_str()));
    }
    return project;
}

/// The same for a verb that needs names of containers only, which their labels tell: with -p no
/// file is needed.
Project load_or_named(const Flags& flags) {
    if (!flags.project.empty() && flags.file.empty()) {
        return {.name = flags.project};
    }
    return load(flags);
}

/// Only containers of the services that were named; all when none was.
std::vector<Existing> selected(const Project& project, std::vector<Existing> containers,
                               const Flags& flags) {
    for (const std::string& name : flags.services) {
        if (!project.services.empty()) {
            static_cast<void>(project.service(name));  // throws when there is no such service
        }
    }
    std::erase_if(containers, [&](const Existing& container) {
        return !flags.services.empty() &&
               std::ranges::find(flags.services, container.service) == flags.services.end();
    });
    return containers;
}

/// SIGINT and SIGTERM as something to look at between two steps.
class Interruptions {
  public:
    Interruptions()
        : fd_(check(::signalfd(-1, &signals_.blocked(), SFD_CLOEXEC | SFD_NONBLOCK),
                    "signalfd()")) {}
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// @return whether one has come since the last call
    [[nodiscard]] bool take() const {
        signalfd_siginfo info{};
        bool found = false;
        while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            const int number = static_cast<int>(info.ssi_signo);
            found = found || number == SIGINT || number == SIGTERM || number == SIGHUP;
        }
        return found;
    }

  private:
    BlockedSignals signals_{};
    UniqueFd fd_;
};

/// Follows the logs of all until the last has ended. The first Ctrl-C stops them, in the reverse
/// order of their start, while what they still write is printed; the second kills them.
void follow_until_end(const cli::Engine& engine, const Project& project,
                      const Interruptions& interruptions) {
    const std::vector<Existing> containers =
        removal_order(project, existing_containers(engine, project.name));
    std::vector<std::jthread> stopping;
    const auto on_signal = [&] {
        if (interruptions.take()) {
            constexpr std::chrono::seconds kGrace{10};
            const std::chrono::seconds grace = stopping.empty() ? kGrace : std::chrono::seconds(0);
            stopping.emplace_back([&engine, &containers, grace] {
                try {
                    stop_containers(engine, containers, grace);
                } catch (const std::exception& e) {
                    static_cast<void>(std::fprintf(stderr, "%s: %s\n", kProgram, e.what()));
                }
            });
        }
    };
    print_logs(engine, containers, {.follow = true}, interruptions.fd(), on_signal);
}

int up(const Flags& flags) {
    const Project project = load(flags);
    const cli::Engine engine = cli::connect_or_start("");
    auto wanted = prepare_images(engine, project, flags.build);
    const Interruptions interruptions;
    std::vector<std::string> made;
    std::vector<Existing> existing = existing_containers(engine, project.name);
    for (Existing& container : existing) {
        container.config_hash = flags.force_recreate ? "" : container.config_hash;
    }
    try {
        make_networks(engine, project, made);
        execute(engine, project, wanted, plan_up(project, wanted, existing), [&] {
            if (interruptions.take()) {
                constexpr int kInterrupted = 130;
                throw SetupError("interrupted; what this up had made is removed", {}, kInterrupted);
            }
        });
    } catch (...) {
        remove_made(engine, made);
        throw;
    }
    if (!flags.detach) {
        follow_until_end(engine, project, interruptions);
    }
    return 0;
}

int down(const Flags& flags) {
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    remove_containers(engine, removal_order(project, existing_containers(engine, project.name)),
                      std::chrono::seconds(flags.grace_seconds), flags.volumes);
    remove_networks(engine, project.name);
    if (flags.volumes) {
        remove_volumes(engine, project.name);
    }
    return 0;
}

/// One more command in a container of the service.
int exec(const Flags& flags) {
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    for (const Existing& container : existing_containers(engine, project.name)) {
        if (container.service != flags.service || container.number != flags.index) {
            continue;
        }
        cli::Invocation exec{.name = std::string(kProgram) + " exec"};
        const bool terminal = !flags.no_terminal && !flags.detach && cli::is_terminal(STDIN_FILENO);
        exec.arguments = {flags.detach ? "-d" : terminal ? "-it" : "-i"};
        const auto add = [&](const char* flag, const std::string& value) {
            if (!value.empty()) {
                exec.arguments.insert(exec.arguments.end(), {flag, value});
            }
        };
        for (const std::string& variable : flags.env) {
            add("-e", variable);
        }
        add("-u", flags.user);
        add("-w", flags.workdir);
        exec.arguments.push_back(container.id);
        exec.arguments.insert(exec.arguments.end(), flags.command.begin(), flags.command.end());
        return cli::run_exec(exec);
    }
    throw InputError(
        fmt::format("service \"{}\" is not running container #{}", flags.service, flags.index));
}

/// The same request for each container of the services.
int post_to_all(const Flags& flags, const char* action, const char* done) {
    constexpr int kConflict = 409;
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    for (const Existing& container :
         selected(project, existing_containers(engine, project.name), flags)) {
        try {
            engine.post(cli::path_of({"containers", container.id, action}));
        } catch (const cli::EngineError& e) {
            if (e.status() != kConflict) {
                throw;
            }
            continue;  // one that does not run cannot be killed or paused
        }
        static_cast<void>(
            std::fprintf(stderr, " Container %s  %s\n", container.name.c_str(), done));
    }
    return 0;
}

int start(const Flags& flags) {
    return post_to_all(flags, "start", "Started");
}
int restart(const Flags& flags) {
    return post_to_all(flags, "restart", "Restarted");
}
int pause(const Flags& flags) {
    return post_to_all(flags, "pause", "Paused");
}
int unpause(const Flags& flags) {
    return post_to_all(flags, "unpause", "Unpaused");
}
int kill(const Flags& flags) {
    return post_to_all(flags, "kill", "Killed");
}

int stop(const Flags& flags) {
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    const auto containers = selected(project, existing_containers(engine, project.name), flags);
    stop_containers(engine, removal_order(project, containers),
                    std::chrono::seconds(flags.grace_seconds));
    return 0;
}

int ps(const Flags& flags) {
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    fmt::print(
        "{}",
        containers_text(engine, selected(project, existing_containers(engine, project.name), flags),
                        {.all = flags.all, .quiet = flags.quiet, .format = flags.format}));
    return 0;
}

int logs(const Flags& flags) {
    const Project project = load_or_named(flags);
    const cli::Engine engine = cli::connect_or_start("");
    LogOptions options = flags.logs;
    options.prefix = !flags.no_prefix;
    print_logs(engine, selected(project, existing_containers(engine, project.name), flags),
               options);
    return 0;
}

int config(const Flags& flags) {
    const Project project = load(flags);
    if (flags.quiet) {
        return 0;
    }
    if (flags.names_only) {
        for (const Service& service : project.services) {
            fmt::print("{}\n", service.name);
        }
        return 0;
    }
    fmt::print("{}", to_yaml(project));
    return 0;
}

struct Verb {
    const char* name;
    const char* summary;
    int (*run)(const Flags&);
    void (*add_flags)(CLI::App&, Flags&);
};

void add_services(CLI::App& app, Flags& flags) {
    app.add_option("SERVICE", flags.services, "only these services")->type_name("");
}

constexpr Verb kVerbs[] = {
    {"up", "make and start what is not there, as it must be", up,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-d,--detach", flags.detach, "leave them running");
         app.add_flag("--build", flags.build, "build images although they are here");
         app.add_flag("--force-recreate", flags.force_recreate,
                      "make containers anew although nothing changed");
     }},
    {"down", "stop and remove the containers and networks", down,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-v,--volumes", flags.volumes, "the volumes, too");
         app.add_option("-t,--timeout", flags.grace_seconds, "seconds until one is killed (10)");
     }},
    {"stop", "stop the containers", stop,
     [](CLI::App& app, Flags& flags) {
         app.add_option("-t,--timeout", flags.grace_seconds, "seconds until one is killed (10)");
         add_services(app, flags);
     }},
    {"start", "start the containers", start, add_services},
    {"restart", "stop them and start them again", restart, add_services},
    {"kill", "kill them", kill, add_services},
    {"pause", "stop all their processes where they are", pause, add_services},
    {"unpause", "let them go on", unpause, add_services},
    {"exec", "run one more command in a container of a service", exec,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-d,--detach", flags.detach, "do not wait for it");
         app.add_flag("-T,--no-tty", flags.no_terminal, "no terminal");
         app.add_flag("-i,--interactive,-t,--tty", flags.ignored, "as it is anyway");
         app.add_option("-e,--env", flags.env, "set a variable")
             ->allow_extra_args(false)
             ->type_name("NAME=VALUE");
         app.add_option("-u,--user", flags.user, "who it runs as");
         app.add_option("-w,--workdir", flags.workdir, "working directory");
         app.add_option("--index", flags.index, "of several containers, this one (1)");
         app.add_option("SERVICE", flags.service, "")->required()->type_name("");
         app.add_option("COMMAND", flags.command, "")->required()->type_name("");
         app.positionals_at_end();
     }},
    {"ps", "list the containers", ps,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-a,--all", flags.all, "those that do not run, too");
         app.add_flag("-q,--quiet", flags.quiet, "IDs only");
         app.add_option("--format", flags.format, "table, json, or a template");
         add_services(app, flags);
     }},
    {"logs", "print what the containers wrote", logs,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-f,--follow", flags.logs.follow, "go on until all have ended");
         app.add_flag("-t,--timestamps", flags.logs.timestamps, "when each line was written");
         app.add_option("-n,--tail", flags.logs.tail, "only so many lines from the end of each");
         app.add_flag("--no-log-prefix", flags.no_prefix, "without the names");
         add_services(app, flags);
     }},
    {"config", "check the file and print it with everything filled in", config,
     [](CLI::App& app, Flags& flags) {
         app.add_flag("-q,--quiet", flags.quiet, "check only");
         app.add_flag("--services", flags.names_only, "names of services only");
     }},
};

}  // namespace

int run_command_line(const std::vector<std::string>& arguments) {
    CLI::App app("Runs the services of a compose file", kProgram);
    Flags flags;
    app.add_option("-f,--file", flags.file,
                   "the compose file (compose.yaml here or in a folder above)");
    app.add_option("-p,--project-name", flags.project,
                   "the project's name (that of the file's folder)");
    app.require_subcommand(1);
    int (*chosen)(const Flags&) = nullptr;
    for (const Verb& verb : kVerbs) {
        CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
        verb.add_flags(*sub, flags);
        sub->callback([&chosen, run = verb.run] { chosen = run; });
    }
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
        return chosen(flags);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << kProgram << ": " << e.what() << "\nSee '" << kProgram << " --help'.\n";
        return kSetupFailed;
    } catch (const cli::EngineError& e) {
        static_cast<void>(std::fprintf(stderr, "%s: %s\n", kProgram, e.what()));
        return cli::exit_status_of(e);
    } catch (...) {
        return report_current_exception(kProgram);
    }
}

}  // namespace drydock::compose
