// system df, system prune, and docker's other spellings: container VERB, image VERB.
#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// One line of `system df`.
json disk_row(const char* type, const json& list, std::size_t active, std::uint64_t bytes,
              std::uint64_t reclaimable) {
    const auto percent = bytes == 0 ? 0 : reclaimable * 100 / bytes;
    return {
        {"ID", type},
        {"Type", type},
        {"TotalCount", std::to_string(list.is_array() ? list.size() : 0)},
        {"Active", std::to_string(active)},
        {"Size", human_size(bytes)},
        {"Reclaimable", bytes == 0 ? human_size(reclaimable)
                                   : fmt::format("{} ({}%)", human_size(reclaimable), percent)}};
}

struct DiskSums {
    std::size_t active = 0;
    std::uint64_t bytes = 0;
    std::uint64_t reclaimable = 0;
};

template <class Size, class Used>
DiskSums sums_of(const json& list, Size size, Used used) {
    DiskSums sums;
    for (const json& one : list.is_array() ? list : json::array()) {
        const std::uint64_t bytes = size(one);
        sums.bytes += bytes;
        if (used(one)) {
            ++sums.active;
        } else {
            sums.reclaimable += bytes;
        }
    }
    return sums;
}

int system_df(const Invocation& invocation) {
    CLI::App app("Shows what images, containers and volumes take on the disk");
    prepare(app, invocation);
    bool verbose = false;
    Listing listing{.columns = {{"TYPE", "Type"},
                                {"TOTAL", "TotalCount"},
                                {"ACTIVE", "Active"},
                                {"SIZE", "Size"},
                                {"RECLAIMABLE", "Reclaimable"}}};
    app.add_flag("-v,--verbose", verbose, "each of them, as JSON");
    app.add_option("--format", listing.format, "table, json, or a template like '{{.Size}}'");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const json use = invocation.engine().get("/system/df");
    if (verbose) {
        fmt::print("{}\n", use.dump(4));
        return 0;
    }
    const auto images = sums_of(
        use.at("Images"), [](const json& one) { return one.value("Size", std::uint64_t{0}); },
        [](const json& one) { return one.value("Containers", 0) > 0; });
    const auto containers = sums_of(
        use.at("Containers"), [](const json& one) { return one.value("SizeRw", std::uint64_t{0}); },
        [](const json& one) { return one.value("State", "") == "running"; });
    const auto usage = [](const json& one) { return one.value("UsageData", json::object()); };
    const auto volumes = sums_of(
        use.at("Volumes"),
        [&](const json& one) { return usage(one).value("Size", std::uint64_t{0}); },
        [&](const json& one) { return usage(one).value("RefCount", 0) > 0; });
    const std::vector<json> rows = {
        disk_row("Images", use.at("Images"), images.active, images.bytes, images.reclaimable),
        disk_row("Containers", use.at("Containers"), containers.active, containers.bytes,
                 containers.reclaimable),
        disk_row("Local Volumes", use.at("Volumes"), volumes.active, volumes.bytes,
                 volumes.reclaimable),
        disk_row("Build Cache", use.at("BuildCache"), 0, 0, 0)};
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

/// Removes what is not used, at one of the API's endpoints.
std::uint64_t prune_at(const Engine& engine, const char* path, const char* heading, const char* key,
                       const std::vector<std::string>& filters) {
    const json answer = engine.post(
        path, filters.empty() ? Query{} : Query{{"filters", filters_parameter(filters)}});
    const json deleted = answer.value(key, json::array());
    if (deleted.is_array() && !deleted.empty()) {
        fmt::print("{}\n", heading);
        for (const json& one : deleted) {
            if (one.is_string()) {
                fmt::print("{}\n", one.get<std::string>());
                continue;
            }
            for (const auto& [what, name] : one.items()) {
                fmt::print("{}: {}\n", what == "Untagged" ? "untagged" : "deleted",
                           name.get<std::string>());
            }
        }
        fmt::print("\n");
    }
    return answer.value("SpaceReclaimed", std::uint64_t{0});
}

struct PruneFlags {
    bool force = false;
    bool all = false;
    bool volumes = false;
    std::vector<std::string> filters{};
};

int prune(const Invocation& invocation, const char* summary, bool images, bool containers) {
    CLI::App app(summary);
    prepare(app, invocation);
    PruneFlags flags;
    app.add_flag("-f,--force", flags.force, "do not ask");
    add_list(app, "--filter", flags.filters, "only those with, say, label=a=b")
        ->type_name("KEY=VALUE");
    if (images) {
        app.add_flag("-a,--all", flags.all,
                     "all images that no container has, not only nameless ones");
    }
    if (images && containers) {
        app.add_flag("--volumes", flags.volumes, "anonymous volumes, too");
    }
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!flags.force &&
        !confirmed(images && containers ? "all containers that do not run, and images"
                                          " that no container has"
                   : images             ? "images that no container has"
                                        : "all containers that do not run")) {
        return 0;
    }
    const Engine engine = invocation.engine();
    std::uint64_t bytes = 0;
    if (containers) {
        bytes += prune_at(engine, "/containers/prune", "Deleted Containers:", "ContainersDeleted",
                          flags.filters);
    }
    if (flags.volumes) {
        bytes +=
            prune_at(engine, "/volumes/prune", "Deleted Volumes:", "VolumesDeleted", flags.filters);
    }
    if (images) {
        auto filters = flags.filters;
        filters.emplace_back(flags.all ? "dangling=false" : "dangling=true");
        bytes += prune_at(engine, "/images/prune", "Deleted Images:", "ImagesDeleted", filters);
    }
    fmt::print("Total reclaimed space: {}\n", human_size(bytes));
    return 0;
}

int system_prune(const Invocation& invocation) {
    return prune(invocation, "Removes containers that do not run, and images that none has", true,
                 true);
}
int container_prune(const Invocation& invocation) {
    return prune(invocation, "Removes containers that do not run", false, true);
}
int image_prune(const Invocation& invocation) {
    return prune(invocation, "Removes images that no container has", true, false);
}

int system_fsck(const Invocation& invocation) {
    CLI::App app(
        "Looks for what is broken in the store: reads every blob, and ends with 1 when "
        "something is");
    prepare(app, invocation);
    bool repair = false;
    app.add_flag("--repair", repair, "put what is broken into DATA_ROOT/quarantine");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const json report = invocation.engine().post("/drydock/fsck", {{"repair", repair ? "1" : "0"}});
    fmt::print("{}", report.value("Text", ""));
    return report.at("Faults").empty() ? 0 : 1;
}

}  // namespace

int run_system(const Invocation& invocation) {
    constexpr std::array kSystemVerbs = {
        Verb{"df", "", "what lies on the disk", system_df},
        Verb{"prune", "", "remove what nobody uses", system_prune},
        Verb{"fsck", "", "look for what is broken in the store", system_fsck},
        Verb{"events", "", "tell what happens", run_events},
        Verb{"info", "", "what the engine is", run_info},
    };
    return run_group(invocation, kSystemVerbs);
}

int run_container(const Invocation& invocation) {
    constexpr std::array kContainerVerbs = {
        Verb{"attach", "", "", run_attach},   Verb{"commit", "", "", run_commit},
        Verb{"cp", "", "", run_cp},           Verb{"create", "", "", run_create},
        Verb{"diff", "", "", run_diff},       Verb{"exec", "", "", run_exec},
        Verb{"export", "", "", run_export},   Verb{"inspect", "", "", run_inspect},
        Verb{"kill", "", "", run_kill},       Verb{"logs", "", "", run_logs},
        Verb{"ls", "", "", run_ps},           Verb{"list", "", "", run_ps},
        Verb{"ps", "", "", run_ps},           Verb{"pause", "", "", run_pause},
        Verb{"port", "", "", run_port},       Verb{"prune", "", "", container_prune},
        Verb{"rename", "", "", run_rename},   Verb{"restart", "", "", run_restart},
        Verb{"rm", "", "", run_rm},           Verb{"run", "", "", run_run},
        Verb{"start", "", "", run_start},     Verb{"stats", "", "", run_stats},
        Verb{"stop", "", "", run_stop},       Verb{"top", "", "", run_top},
        Verb{"unpause", "", "", run_unpause}, Verb{"update", "", "", run_update},
        Verb{"wait", "", "", run_wait},
    };
    return run_group(invocation, kContainerVerbs);
}

int run_image(const Invocation& invocation) {
    constexpr std::array kImageVerbs = {
        Verb{"build", "", "", run_build},     Verb{"inspect", "", "", run_inspect},
        Verb{"load", "", "", run_load},       Verb{"import", "", "", run_import},
        Verb{"history", "", "", run_history}, Verb{"ls", "", "", run_images},
        Verb{"list", "", "", run_images},     Verb{"prune", "", "", image_prune},
        Verb{"pull", "", "", run_pull},       Verb{"push", "", "", run_push},
        Verb{"rm", "", "", run_rmi},          Verb{"save", "", "", run_save},
        Verb{"tag", "", "", run_tag},
    };
    return run_group(invocation, kImageVerbs);
}

}  // namespace drydock::cli
