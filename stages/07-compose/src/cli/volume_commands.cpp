// drydock volume create, ls, inspect, rm, prune.
#include <array>
#include <cstdint>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// "a=b" entries as an object.
json pairs_object(const std::vector<std::string>& texts) {
    json object = json::object();
    for (const std::string& text : texts) {
        const auto equals = text.find('=');
        object[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    return object;
}

int volume_create(const Invocation& invocation) {
    CLI::App app("Makes a volume");
    prepare(app, invocation);
    std::string name;
    std::string driver = "local";
    std::vector<std::string> labels;
    std::vector<std::string> options;
    app.add_option("-d,--driver", driver, "only local is there");
    add_list(app, "--label", labels, "note something on it")->type_name("KEY=VALUE");
    add_list(app, "-o,--opt", options, "of the driver: type=none, o=bind, device=DIR")
        ->type_name("KEY=VALUE");
    app.add_option("NAME", name, "made up when not given")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const json body = {{"Name", name},
                       {"Driver", driver},
                       {"Labels", pairs_object(labels)},
                       {"DriverOpts", pairs_object(options)}};
    fmt::print(
        "{}\n",
        invocation.engine().post("/volumes/create", {}, body.dump()).at("Name").get<std::string>());
    return 0;
}

json volume_row(const json& volume) {
    std::vector<std::string> labels;
    const json named = volume.value("Labels", json());
    for (const auto& [key, value] : named.items()) {
        labels.push_back(key + "=" + value.get<std::string>());
    }
    const auto name = volume.value("Name", "");
    return {{"ID", name},
            {"Name", name},
            {"Driver", volume.value("Driver", "")},
            {"Scope", volume.value("Scope", "")},
            {"Mountpoint", volume.value("Mountpoint", "")},
            {"Labels", fmt::format("{}", fmt::join(labels, ","))}};
}

int volume_ls(const Invocation& invocation) {
    CLI::App app("Lists volumes");
    prepare(app, invocation);
    std::vector<std::string> filters;
    Listing listing{.columns = {{"DRIVER", "Driver"}, {"VOLUME NAME", "Name"}}};
    app.add_flag("-q,--quiet", listing.quiet, "names only");
    add_list(app, "-f,--filter", filters, "only those with, say, dangling=true, label=a=b")
        ->type_name("KEY=VALUE");
    app.add_option("--format", listing.format, "table, json, or a template like '{{.Name}}'");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    std::vector<json> rows;
    const json answer = invocation.engine().get(
        "/volumes", filters.empty() ? Query{} : Query{{"filters", filters_parameter(filters)}});
    for (const json& volume : answer.at("Volumes")) {
        rows.push_back(volume_row(volume));
    }
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

int volume_inspect(const Invocation& invocation) {
    CLI::App app("Prints all that is known of volumes, as JSON");
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string format;
    app.add_option("-f,--format", format, "a template like '{{.Mountpoint}}'");
    app.add_option("NAME", names, "volumes")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return inspect_each(names, format, invocation.name, [&](const std::string& name) {
        return engine.get(path_of({"volumes", name}));
    });
}

int volume_rm(const Invocation& invocation) {
    CLI::App app("Removes volumes, and what is in them");
    prepare(app, invocation);
    std::vector<std::string> names;
    bool force = false;
    app.add_flag("-f,--force", force, "one that is not there is fine");
    app.add_option("NAME", names, "volumes")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.remove(path_of({"volumes", name}), {{"force", force ? "1" : "0"}});
        return name;
    });
}

int volume_prune(const Invocation& invocation) {
    CLI::App app("Removes the volumes that no container uses and nobody named");
    prepare(app, invocation);
    bool all = false;
    bool force = false;
    std::vector<std::string> filters;
    app.add_flag("-a,--all", all, "those with a name, too");
    app.add_flag("-f,--force", force, "do not ask");
    add_list(app, "--filter", filters, "only those with, say, label=a=b")->type_name("KEY=VALUE");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!force && !confirmed(all ? "all volumes that no container uses"
                                 : "all anonymous volumes that no container uses")) {
        return 0;
    }
    if (all) {
        filters.emplace_back("all=true");
    }
    const json answer = invocation.engine().post(
        "/volumes/prune",
        filters.empty() ? Query{} : Query{{"filters", filters_parameter(filters)}});
    print_pruned("Deleted Volumes:", answer.value("VolumesDeleted", json::array()),
                 answer.value("SpaceReclaimed", std::uint64_t{0}));
    return 0;
}

}  // namespace

bool confirmed(std::string_view what) {
    fmt::print("WARNING! This will remove {}.\nAre you sure you want to continue? [y/N] ", what);
    static_cast<void>(std::fflush(stdout));
    std::string answer;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
        answer += static_cast<char>(c);
    }
    return answer == "y" || answer == "Y" || answer == "yes";
}

void print_pruned(std::string_view heading, const json& names, std::uint64_t bytes) {
    if (!names.empty()) {
        fmt::print("{}\n", heading);
        for (const json& name : names) {
            fmt::print("{}\n", name.get<std::string>());
        }
        fmt::print("\n");
    }
    fmt::print("Total reclaimed space: {}\n", human_size(bytes));
}

int run_group(const Invocation& invocation, std::span<const Verb> verbs) {
    std::vector<std::string> names;
    for (const Verb& verb : verbs) {
        names.emplace_back(verb.name);
    }
    if (!invocation.arguments.empty() && invocation.arguments.front() == "--help") {
        fmt::print("usage: {} COMMAND ...\n\n", invocation.name);
        for (const Verb& verb : verbs) {
            fmt::print("  {:<10} {}\n", verb.name, verb.summary);
        }
        return 0;
    }
    Invocation inner = invocation;
    const std::string wanted = inner.arguments.empty() ? "" : inner.arguments.front();
    for (const Verb& verb : verbs) {
        if (verb.name == wanted) {
            inner.name += " " + wanted;
            inner.arguments.erase(inner.arguments.begin());
            return verb.run(inner);
        }
    }
    throw InputError(
        fmt::format("\"{}\": expected one of {}", printable(wanted), fmt::join(names, ", ")));
}

int run_volume(const Invocation& invocation) {
    constexpr std::array kVolumeVerbs = {
        Verb{"create", "", "make one", volume_create},
        Verb{"ls", "", "list them", volume_ls},
        Verb{"list", "", "the same", volume_ls},
        Verb{"inspect", "", "print all that is known of them", volume_inspect},
        Verb{"rm", "", "remove them", volume_rm},
        Verb{"remove", "", "the same", volume_rm},
        Verb{"prune", "", "remove those that nobody uses", volume_prune},
    };
    return run_group(invocation, kVolumeVerbs);
}

}  // namespace drydock::cli
