// start, stop, kill, wait, rm: verbs that take names of containers. ps, logs, inspect: what they
// show.
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/foreground.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/log_stream.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

void add_names(CLI::App& app, std::vector<std::string>& names) {
    app.add_option("CONTAINER", names, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
}

std::string container_path(const std::string& name, std::string_view action) {
    return path_of({"containers", name, action});
}

std::string age_of(std::int64_t created) {
    return human_duration(std::chrono::duration_cast<std::chrono::seconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count() -
                          created);
}

/// "2026-01-31 08:15:00 +0000 UTC"
std::string utc_text(std::time_t time) {
    std::tm parts{};
    static_cast<void>(::gmtime_r(&time, &parts));
    std::array<char, 64> text{};
    return {text.data(),
            std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S +0000 UTC", &parts)};
}

/// "0.0.0.0:8080->80/tcp, 81/tcp"
std::string ports_of(const json& container) {
    std::vector<std::string> ports;
    for (const json& port : container.value("Ports", json::array())) {
        const std::string inside =
            fmt::format("{}/{}", port.value("PrivatePort", 0), port.value("Type", "tcp"));
        ports.push_back(port.contains("PublicPort")
                            ? fmt::format("{}:{}->{}", port.value("IP", ""),
                                          port.value("PublicPort", 0), inside)
                            : inside);
    }
    return fmt::format("{}", fmt::join(ports, ", "));
}

std::string names_of(const json& container) {
    std::vector<std::string> names;
    for (const json& name : container.value("Names", json::array())) {
        const auto text = name.get<std::string>();
        names.push_back(text.starts_with('/') ? text.substr(1) : text);
    }
    return fmt::format("{}", fmt::join(names, ","));
}

std::string labels_of(const json& object) {
    std::vector<std::string> labels;
    const json found = object.value("Labels", json());
    for (const auto& [key, value] : found.items()) {
        labels.push_back(key + "=" + value.get<std::string>());
    }
    return fmt::format("{}", fmt::join(labels, ","));
}

json row_of(const json& container, bool whole) {
    const auto id = container.value("Id", "");
    const std::string command = "\"" + container.value("Command", "") + "\"";
    constexpr std::size_t kCommandWidth = 20;
    return {{"ID", whole ? id : short_id(id)},
            {"Image", container.value("Image", "")},
            {"Command", whole ? command : ellipsis(command, kCommandWidth)},
            {"CreatedAt", utc_text(container.value("Created", std::time_t{0}))},
            {"RunningFor", age_of(container.value("Created", std::int64_t{0})) + " ago"},
            {"Ports", ports_of(container)},
            {"State", container.value("State", "")},
            {"Status", container.value("Status", "")},
            {"Names", names_of(container)},
            {"Labels", labels_of(container)}};
}

/// An object of any kind, as `inspect` finds it.
json inspect(const Engine& engine, const std::string& name) {
    constexpr int kNotFound = 404;
    for (const char* kind : {"containers", "images"}) {
        try {
            return engine.get(path_of({kind, name, "json"}));
        } catch (const EngineError& e) {
            if (e.status() != kNotFound) {
                throw;
            }
        }
    }
    throw EngineError(kNotFound,
                      fmt::format("No such object: {} (neither a container nor an image)", name));
}

}  // namespace

int run_start(const Invocation& invocation) {
    CLI::App app("Starts containers that are there and do not run");
    prepare(app, invocation);
    std::vector<std::string> names;
    bool attach = false;
    bool interactive = false;
    app.add_flag("-a,--attach", attach, "stay with it, as run does");
    std::string detach_keys;
    bool pass_signals = true;
    app.add_flag("-i,--interactive", interactive, "our standard input is its own");
    app.add_option("--detach-keys", detach_keys, "keys that leave it (ctrl-p,ctrl-q)")
        ->type_name("KEYS");
    app.add_flag("--sig-proxy,!--no-sig-proxy", pass_signals,
                 "pass the signals that we get on to it (=false: they are for us)");
    add_names(app, names);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    if (attach || interactive) {
        if (names.size() != 1) {
            throw InputError("start -a: one container at a time");
        }
        Foreground foreground =
            foreground_of(engine.get(path_of({"containers", names.front(), "json"})));
        foreground.streams.interactive = foreground.streams.interactive && interactive;
        foreground.detach_keys = detach_keys;
        foreground.pass_signals = pass_signals;
        return run_in_foreground(engine, foreground);
    }
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.post(container_path(name, "start"));
        return name;
    });
}

namespace {

int stop_or_restart(const Invocation& invocation, const char* summary, std::string_view action) {
    CLI::App app(summary);
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string seconds;
    std::string signal;
    app.add_option("-t,--time", seconds, "seconds until they are killed (10)");
    app.add_option("-s,--signal", signal, "the signal that asks (SIGTERM)");
    add_names(app, names);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    Query query;
    if (!seconds.empty()) {
        query.emplace_back("t", seconds);
    }
    if (!signal.empty()) {
        query.emplace_back("signal", signal);
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.post(container_path(name, action), query);
        return name;
    });
}

}  // namespace

int run_stop(const Invocation& invocation) {
    return stop_or_restart(invocation, "Asks containers to end; kills them when they do not",
                           "stop");
}

int run_restart(const Invocation& invocation) {
    return stop_or_restart(invocation, "Stops containers, and starts them again", "restart");
}

int run_rename(const Invocation& invocation) {
    CLI::App app("Gives a container another name");
    prepare(app, invocation);
    std::string container;
    std::string name;
    app.add_option("CONTAINER", container, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
    app.add_option("NAME", name, "its new name")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    invocation.engine().post(container_path(container, "rename"), {{"name", name}});
    return 0;
}

int run_kill(const Invocation& invocation) {
    CLI::App app("Sends a signal to the first process of containers");
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string signal = "SIGKILL";
    app.add_option("-s,--signal", signal, "name or number (SIGKILL)");
    add_names(app, names);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.post(container_path(name, "kill"), {{"signal", signal}});
        return name;
    });
}

int run_wait(const Invocation& invocation) {
    CLI::App app("Waits until containers have ended and prints their exit statuses");
    prepare(app, invocation);
    std::vector<std::string> names;
    add_names(app, names);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        return std::to_string(
            engine.post(container_path(name, "wait")).at("StatusCode").get<int>());
    });
}

int run_rm(const Invocation& invocation) {
    CLI::App app("Removes containers");
    prepare(app, invocation);
    std::vector<std::string> names;
    bool force = false;
    bool volumes = false;
    app.add_flag("-f,--force", force, "kill them first when they run");
    app.add_flag("-v,--volumes", volumes, "and their anonymous volumes");
    add_names(app, names);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    constexpr int kNotFound = 404;
    return for_each_name(names, invocation.name, [&](const std::string& name) -> std::string {
        try {
            engine.remove(path_of({"containers", name}),
                          {{"force", force ? "1" : "0"}, {"v", volumes ? "1" : "0"}});
            return name;
        } catch (const EngineError& e) {
            if (!force || e.status() != kNotFound) {
                throw;
            }
            static_cast<void>(std::fprintf(stderr, "%s: %s\n", invocation.name.c_str(), e.what()));
            return "";
        }
    });
}

int run_ps(const Invocation& invocation) {
    CLI::App app("Lists containers");
    prepare(app, invocation);
    bool all = false;
    bool whole = false;
    bool latest = false;
    int last = 0;
    std::vector<std::string> filters;
    Listing listing{.columns = {{"CONTAINER ID", "ID"},
                                {"IMAGE", "Image"},
                                {"COMMAND", "Command"},
                                {"CREATED", "RunningFor"},
                                {"STATUS", "Status"},
                                {"PORTS", "Ports"},
                                {"NAMES", "Names"}}};
    app.add_flag("-a,--all", all, "those that do not run, too");
    app.add_flag("-q,--quiet", listing.quiet, "IDs only");
    app.add_flag("--no-trunc", whole, "cut nothing");
    app.add_flag("-l,--latest", latest, "the newest one, whatever its state");
    app.add_option("-n,--last", last, "the newest so many, whatever their state")
        ->type_name("NUMBER");
    add_list(app, "-f,--filter", filters,
             "only those with, say, status=exited, name=web, label=a=b")
        ->type_name("KEY=VALUE");
    app.add_option("--format", listing.format,
                   "table, json, or a template like '{{.ID}} {{.Names}}'");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    last = latest ? 1 : last;
    Query query = {{"all", all ? "1" : "0"}};
    if (last > 0) {
        query.emplace_back("limit", std::to_string(last));
    }
    if (!filters.empty()) {
        query.emplace_back("filters", filters_parameter(filters));
    }
    std::vector<json> rows;
    for (const json& container : invocation.engine().get("/containers/json", query)) {
        rows.push_back(row_of(container, whole));
    }
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

int run_logs(const Invocation& invocation) {
    CLI::App app("Prints what a container wrote");
    prepare(app, invocation);
    std::string name;
    std::string tail = "all";
    std::string since;
    std::string until;
    bool follow = false;
    bool timestamps = false;
    app.add_flag("-f,--follow", follow, "go on until it ends");
    app.add_flag("-t,--timestamps", timestamps, "when each line was written");
    app.add_option("-n,--tail", tail, "only so many lines from the end")->type_name("NUMBER");
    app.add_option("--since", since, "Unix time in seconds");
    app.add_option("--until", until, "Unix time in seconds");
    app.add_option("CONTAINER", name, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    Query query = {{"stdout", "1"},
                   {"stderr", "1"},
                   {"follow", follow ? "1" : "0"},
                   {"timestamps", timestamps ? "1" : "0"},
                   {"tail", tail}};
    for (const auto& [key, value] : {std::pair("since", since), std::pair("until", until)}) {
        if (!value.empty()) {
            query.emplace_back(key, value);
        }
    }
    Exchange answer = invocation.engine().stream("GET", container_path(name, "logs"), query);
    // The output of a terminal comes as it is, anything else in frames.
    const bool framed = answer.head().field("content-type").find("raw-stream") == std::string::npos;
    Demultiplexer demultiplexer([](Output output, std::string_view bytes) {
        write_all(output == Output::Stdout ? STDOUT_FILENO : STDERR_FILENO, bytes,
                  "standard output");
    });
    while (const auto bytes = answer.read_some()) {
        if (framed) {
            demultiplexer.feed(*bytes);
        } else {
            write_all(STDOUT_FILENO, *bytes, "standard output");
        }
    }
    return 0;
}

int run_inspect(const Invocation& invocation) {
    CLI::App app("Prints all that is known of containers and images, as JSON");
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string format;
    app.add_option("-f,--format", format, "a template like '{{.State.Pid}}'");
    app.add_option("NAME", names, "containers or images")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return inspect_each(names, format, invocation.name,
                        [&](const std::string& name) { return inspect(engine, name); });
}

}  // namespace drydock::cli
