#include "07-compose/cli/commands.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "07-compose/cli/daemon_process.hpp"
#include "07-compose/cli/format.hpp"

namespace drydock::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{"run", "Containers", "make a container of an image and run a command in it", run_run},
    Verb{"create", "Containers", "make one and do not start it", run_create},
    Verb{"start", "Containers", "start what is there and does not run", run_start},
    Verb{"stop", "Containers", "ask them to end; kill them when they do not", run_stop},
    Verb{"restart", "Containers", "stop them and start them again", run_restart},
    Verb{"kill", "Containers", "send them a signal", run_kill},
    Verb{"pause", "Containers", "stop all their processes where they are", run_pause},
    Verb{"unpause", "Containers", "let them go on", run_unpause},
    Verb{"update", "Containers", "change their limits and restart policy", run_update},
    Verb{"wait", "Containers", "wait for their end and print exit statuses", run_wait},
    Verb{"rm", "Containers", "remove them", run_rm},
    Verb{"rename", "Containers", "give one another name", run_rename},
    Verb{"exec", "Containers", "run one more command in one", run_exec},
    Verb{"attach", "Containers", "take our terminal to one that runs", run_attach},
    Verb{"ps", "Containers", "list them", run_ps},
    Verb{"top", "Containers", "show the processes of one", run_top},
    Verb{"stats", "Containers", "show what they use", run_stats},
    Verb{"logs", "Containers", "print what one wrote", run_logs},
    Verb{"cp", "Containers", "copy files to one and from one", run_cp},
    Verb{"diff", "Containers", "show what one changed in its image's files", run_diff},
    Verb{"export", "Containers", "write the files of one into an archive", run_export},
    Verb{"commit", "Containers", "make an image of one", run_commit},
    Verb{"container", "Containers", "'container VERB': the verbs above, and prune", run_container},
    Verb{"inspect", "Containers", "print all that is known of them, and of images", run_inspect},
    Verb{"port", "Containers", "print where its ports are reachable", run_port},
    Verb{"network", "Networks", "ls, create, rm, connect, trace …: who reaches whom", run_network},
    Verb{"net", "Networks", "the same", run_network},
    Verb{"build", "Images", "build one from a Dockerfile", run_build},
    Verb{"images", "Images", "list them", run_images},
    Verb{"pull", "Images", "fetch one from a registry", run_pull},
    Verb{"push", "Images", "put one into a registry", run_push},
    Verb{"login", "Images", "log in to a registry, and keep the credentials", run_login},
    Verb{"logout", "Images", "forget them", run_logout},
    Verb{"search", "Images", "look for images in a registry", run_search},
    Verb{"manifest", "Images", "'manifest inspect': what a registry says of an image", run_remote},
    Verb{"tags", "Images", "list the tags that a registry has of one", run_remote},
    Verb{"copy", "Images", "bring one from registry to registry", run_remote},
    Verb{"referrers", "Images", "list what refers to one: signatures, lists of contents",
         run_remote},
    Verb{"artifact", "Images", "push, pull: any file, kept by a registry", run_remote},
    Verb{"tag", "Images", "give one another name", run_tag},
    Verb{"rmi", "Images", "remove them", run_rmi},
    Verb{"save", "Images", "write them into an archive", run_save},
    Verb{"load", "Images", "take them out of an archive", run_load},
    Verb{"import", "Images", "make one of the files in an archive", run_import},
    Verb{"history", "Images", "show the steps that one was made in", run_history},
    Verb{"image", "Images", "'image ls, rm, prune…': the verbs above, and prune", run_image},
    Verb{"volume", "Volumes", "create, ls, inspect, rm, prune: directories that stay", run_volume},
    Verb{"compose", "Services", "up, down, ps, logs: several containers from one file",
         run_compose},
    Verb{"daemon", "Engine", "the engine itself; 'daemon stop' ends the one that runs", run_daemon},
    Verb{"registry", "Engine", "'registry serve': a registry for images", run_registry},
    Verb{"events", "Engine", "tell what happens, as it happens", run_events},
    Verb{"system", "Engine", "df: what lies on the disk; prune: remove what nobody uses",
         run_system},
    Verb{"version", "Engine", "print versions", run_version},
    Verb{"info", "Engine", "print what the engine is and this machine can do", run_info},
};

/// What docker has, and Drydock will.
constexpr auto kNotYet = std::to_array<std::string_view>({"builder", "context"});

void print_help() {
    fmt::print(
        "drydock: a container engine that shows how containers work\n\n"
        "usage: drydock [--host unix://PATH|tcp://ADDRESS:PORT] COMMAND ...\n");
    std::string_view group;
    for (const Verb& verb : kVerbs) {
        if (verb.group != group) {
            group = verb.group;
            fmt::print("\n{}\n", group);
        }
        fmt::print("  {:<10} {}\n", verb.name, verb.summary);
    }
    fmt::print(
        "\nThe host is --host, or $DRYDOCK_HOST, or $DOCKER_HOST. When none is given, it is "
        "drydock.sock in\n"
        "/run/drydock ($DRYDOCK_RUN_ROOT), and a daemon is started there when none listens; its "
        "data is in\n"
        "/var/lib/drydock ($DRYDOCK_DATA_ROOT). 'drydock COMMAND --help' tells of its flags.\n");
}

const Verb& find_verb(const std::string& name) {
    const auto found = std::ranges::find(kVerbs, std::string_view(name), &Verb::name);
    if (found != kVerbs.end()) {
        return *found;
    }
    if (std::ranges::find(kNotYet, name) != kNotYet.end()) {
        throw NotImplemented(fmt::format("drydock {} ('drydock --help' lists what is)", name));
    }
    std::vector<std::string> names;
    std::ranges::transform(kVerbs, std::back_inserter(names),
                           [](const Verb& verb) { return std::string(verb.name); });
    const std::string meant = nearest(name, names);
    throw InputError(
        fmt::format("\"{}\" is no command{} 'drydock --help' lists them", printable(name),
                    meant.empty() ? ";" : fmt::format(", did you mean \"{}\"?", meant)));
}

/// Takes the flags that stand before the verb out of `arguments`.
/// @return false when one of them has been answered (--help, --version)
bool take_global_flags(std::vector<std::string>& arguments, Invocation& invocation) {
    while (!arguments.empty() && arguments.front().starts_with('-')) {
        const std::string flag = arguments.front();
        arguments.erase(arguments.begin());
        if (flag == "--help" || flag == "-h") {
            print_help();
            return false;
        }
        if (flag == "--version" || flag == "-v") {
            fmt::print("Drydock version {}\n", kVersion);
            return false;
        }
        if (flag.starts_with("--host=")) {
            invocation.host_flag = flag.substr(flag.find('=') + 1);
        } else if ((flag == "--host" || flag == "-H") && !arguments.empty()) {
            invocation.host_flag = arguments.front();
            arguments.erase(arguments.begin());
        } else {
            throw InputError(fmt::format(
                "flag {}: expected --host ADDRESS, --version or --help before the command", flag));
        }
    }
    return true;
}

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

Engine Invocation::engine() const {
    return connect_or_start(host_flag);
}

int run_command_line(const std::vector<std::string>& arguments) {
    Invocation invocation{.name = "drydock", .arguments = arguments};
    try {
        if (!take_global_flags(invocation.arguments, invocation)) {
            return 0;
        }
        if (invocation.arguments.empty()) {
            print_help();
            return kSetupFailed;
        }
        const Verb& verb = find_verb(invocation.arguments.front());
        invocation.name = fmt::format("drydock {}", verb.name);
        invocation.arguments.erase(invocation.arguments.begin());
        return verb.run(invocation);
    } catch (const EngineError& e) {
        static_cast<void>(std::fprintf(stderr, "%s: %s\n", invocation.name.c_str(), e.what()));
        return exit_status_of(e);
    } catch (...) {
        return report_current_exception(invocation.name);
    }
}

}  // namespace drydock::cli
