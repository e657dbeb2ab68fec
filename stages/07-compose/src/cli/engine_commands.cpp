// version, info; and the verbs that are programs of their own: daemon, registry, compose.
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/daemon_process.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// A value as a line shows it: text as it is, "" for what is not there.
std::string shown(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return "";
    }
    return printable(found->is_string() ? found->get<std::string>() : found->dump());
}

int print_formatted(const Invocation& invocation, const char* path, const std::string& format,
                    void (*print)(const json&)) {
    const json answer = invocation.engine().get(path);
    if (format.empty()) {
        print(answer);
    } else {
        fmt::print("{}\n", render_template(format, answer));
    }
    return 0;
}

void print_version(const json& server) {
    fmt::print("Client: Drydock {}\n API version: 1.44\n\nServer:\n", kVersion);
    for (const char* key :
         {"Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion"}) {
        fmt::print(" {}: {}\n", key, shown(server, key));
    }
}

void print_info(const json& info) {
    for (const char* key :
         {"Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images",
          "ServerVersion", "Driver", "LoggingDriver", "CgroupDriver", "CgroupVersion",
          "KernelVersion", "OperatingSystem", "OSType", "Architecture", "NCPU", "MemTotal", "Name",
          "DockerRootDir"}) {
        fmt::print("{}: {}\n", key, shown(info, key));
    }
    for (const json& warning : info.value("Warnings", json::array())) {
        fmt::print("WARNING: {}\n", printable(warning.get<std::string>()));
    }
}

int run_printer(const Invocation& invocation, const char* summary, const char* path,
                void (*print)(const json&)) {
    CLI::App app(summary);
    prepare(app, invocation);
    std::string format;
    app.add_option("-f,--format", format, "json, or a template");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    return print_formatted(invocation, path, format, print);
}

}  // namespace

int run_version(const Invocation& invocation) {
    return run_printer(invocation, "Prints the versions of this program and of the daemon",
                       "/version", print_version);
}

int run_info(const Invocation& invocation) {
    return run_printer(invocation, "Prints what the daemon is, and what this machine can do",
                       "/info", print_info);
}

int run_daemon(const Invocation& invocation) {
    const auto& arguments = invocation.arguments;
    if (!arguments.empty() && arguments.front() == "stop") {
        if (arguments.size() != 1) {
            throw InputError("daemon stop: takes no argument; --host goes before \"daemon\"");
        }
        const Host host = chosen_host(invocation.host_flag);
        fmt::print("{}\n", stop_daemon(host) ? "the daemon has ended"
                                             : "no daemon listens at " + host.name);
        return 0;
    }
    become_program("drydock-daemon", arguments);
}

int run_registry(const Invocation& invocation) {
    if (invocation.arguments.empty() || invocation.arguments.front() != "serve") {
        throw InputError("registry: expected 'registry serve --listen ADDRESS --root DIR'");
    }
    become_program("drydock-06", invocation.arguments);
}

int run_remote(const Invocation& invocation) {
    std::vector<std::string> arguments = invocation.arguments;
    arguments.insert(arguments.begin(), invocation.name.substr(invocation.name.rfind(' ') + 1));
    become_program("drydock-06", arguments);
}

int run_compose(const Invocation& invocation) {
    if (!invocation.host_flag.empty()) {
        ::setenv("DRYDOCK_HOST", invocation.host_flag.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
    become_program("drydock-compose", invocation.arguments);
}

}  // namespace drydock::cli
