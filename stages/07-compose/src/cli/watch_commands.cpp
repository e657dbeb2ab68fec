// events, stats: what happens, and what is used, as it goes on.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"
#include "07-compose/cli/usage_row.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// "2026-01-31T08:15:00.000000001+01:00", by the local clock.
std::string local_time(std::int64_t nanoseconds) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::time_t seconds = nanoseconds / kSecond;
    std::tm parts{};
    static_cast<void>(::localtime_r(&seconds, &parts));
    std::array<char, 64> day{};
    std::array<char, 16> zone{};
    static_cast<void>(std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &parts));
    static_cast<void>(std::strftime(zone.data(), zone.size(), "%z", &parts));
    std::string offset = zone.data();
    if (offset.size() == 5) {
        offset.insert(3, ":");
    }
    return fmt::format("{}.{:09}{}", day.data(), nanoseconds % kSecond, offset);
}

std::string event_line(const json& event) {
    std::vector<std::string> attributes;
    const json& actor = event.at("Actor");
    const json named = actor.value("Attributes", json::object());
    for (const auto& [key, value] : named.items()) {
        attributes.push_back(key + "=" + value.get<std::string>());
    }
    return fmt::format("{} {} {} {} ({})", local_time(event.value("timeNano", std::int64_t{0})),
                       event.value("Type", ""), event.value("Action", ""), actor.value("ID", ""),
                       fmt::join(attributes, ", "));
}

}  // namespace

int run_events(const Invocation& invocation) {
    CLI::App app("Tells what happens to containers, images and volumes, until it is stopped");
    prepare(app, invocation);
    std::vector<std::string> filters;
    std::string since;
    std::string until;
    std::string format;
    add_list(app, "-f,--filter", filters, "only those with, say, event=die, type=container")
        ->type_name("KEY=VALUE");
    app.add_option("--since", since, "also what has happened since: a time, or like 10m");
    app.add_option("--until", until, "end there: a time, or like 10m");
    app.add_option("--format", format, "json, or a template like '{{.Action}}'");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    Query query;
    for (const auto& [key, value] : {std::pair("since", since), std::pair("until", until)}) {
        if (!value.empty()) {
            query.emplace_back(key, moment_parameter(value));
        }
    }
    if (!filters.empty()) {
        query.emplace_back("filters", filters_parameter(filters));
    }
    Exchange answer = invocation.engine().stream("GET", "/events", query);
    for_each_object(answer, [&](const json& event) {
        fmt::print("{}\n",
                   format.empty() ? printable(event_line(event)) : render_template(format, event));
        static_cast<void>(std::fflush(stdout));
    });
    return 0;
}

int run_stats(const Invocation& invocation) {
    CLI::App app("Shows what containers use; those that run, when none is named");
    prepare(app, invocation);
    std::vector<std::string> names;
    bool all = false;
    bool once = false;
    bool whole = false;
    Listing listing{.columns = {{"CONTAINER ID", "ID"},
                                {"NAME", "Name"},
                                {"CPU %", "CPUPerc"},
                                {"MEM USAGE / LIMIT", "MemUsage"},
                                {"MEM %", "MemPerc"},
                                {"NET I/O", "NetIO"},
                                {"BLOCK I/O", "BlockIO"},
                                {"PIDS", "PIDs"}}};
    app.add_flag("-a,--all", all, "those that do not run, too");
    app.add_flag("--no-stream", once, "once, not again and again");
    app.add_flag("--no-trunc", whole, "cut nothing");
    app.add_option("--format", listing.format, "table, json, or a template like '{{.MemPerc}}'");
    app.add_option("CONTAINER", names, "name, ID, or the beginning of an ID")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    do {
        std::vector<std::string> wanted = names;
        if (names.empty()) {
            for (const json& container :
                 engine.get("/containers/json", {{"all", all ? "1" : "0"}})) {
                wanted.push_back(container.at("Id"));
            }
        }
        std::vector<json> rows;
        for (const std::string& name : wanted) {
            rows.push_back(usage_row(
                engine.get(path_of({"containers", name, "stats"}), {{"stream", "0"}}), whole));
        }
        if (!once && is_terminal(STDOUT_FILENO)) {
            fmt::print("\x1b[H\x1b[2J");
        }
        fmt::print("{}", list_text(listing, rows));
        static_cast<void>(std::fflush(stdout));
        if (!once && wanted.empty()) {
            // Nothing runs whose measuring would take the second.
            ::sleep(1);
        }
    } while (!once);
    return 0;
}

}  // namespace drydock::cli
