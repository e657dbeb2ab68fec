#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/filters.hpp"

#include "api/body_member.hpp"
#include "api/volume_json.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

bool volume_passes(const Engine& engine, const Volume& volume, const Filters& filters) {
    return std::ranges::all_of(filters, [&](const auto& filter) {
        const auto& [key, values] = filter;
        if (key == "label") {
            return has_labels(volume.labels, values);
        }
        if (key == "dangling") {
            return is_true(values.front()) == engine.users_of_volume(volume.name).empty();
        }
        return std::ranges::any_of(values, [&, &name = key](const std::string& value) {
            return name == "driver" ? value == "local"
                                    : volume.name.find(value) != std::string::npos;
        });
    });
}

void list_volumes(Call& call) {
    constexpr std::array<std::string_view, 4> kKnown = {"dangling", "driver", "label", "name"};
    const Filters filters = parse_filters(call.parameter("filters"), kKnown);
    json list = json::array();
    for (const Volume& volume : call.engine.volumes()) {
        if (volume_passes(call.engine, volume, filters)) {
            list.push_back(volume_json(volume));
        }
    }
    respond_json(call, 200, {{"Volumes", list}, {"Warnings", nullptr}});
}

std::map<std::string, std::string> strings_in(const json& body, const char* key) {
    return body_member<std::map<std::string, std::string>>(body, key, "an object of strings");
}

void create_volume(Call& call) {
    const json body = json_body(call);
    const std::string driver = body.value("Driver", "");
    if (!driver.empty() && driver != "local" && driver != "default") {
        throw EngineError(
            Refusal::NotFound,
            fmt::format("error looking up volume plugin {0}: plugin \"{0}\" not found", driver));
    }
    respond_json(
        call, 201,
        volume_json(call.engine.create_volume(body.value("Name", ""), strings_in(body, "Labels"),
                                              strings_in(body, "DriverOpts"))));
}

void inspect_volume(Call& call) {
    respond_json(call, 200, volume_json(call.engine.find_volume(call.name())));
}

void remove_volume(Call& call) {
    try {
        call.engine.remove_volume(call.name());
    } catch (const EngineError& e) {
        if (e.refusal() != Refusal::NotFound || !call.flag("force")) {
            throw;
        }
    }
    respond_empty(call, 204);
}

void prune_volumes(Call& call) {
    constexpr std::array<std::string_view, 3> kKnown = {"all", "label", "label!"};
    const Filters filters = parse_filters(call.parameter("filters"), kKnown);
    const auto wanted = [&](const char* key) {
        const auto found = filters.find(key);
        return found == filters.end() ? std::vector<std::string>{} : found->second;
    };
    const auto all_values = wanted("all");
    const bool all = call.version < 42 || (!all_values.empty() && is_true(all_values.front()));
    const auto without = wanted("label!");
    json deleted = json::array();
    std::uint64_t bytes = 0;
    for (const Volume& volume : call.engine.volumes()) {
        const bool goes = (all || volume.labels.contains(kAnonymousVolumeLabel)) &&
                          has_labels(volume.labels, wanted("label")) &&
                          std::ranges::none_of(without, [&](const std::string& label) {
                              return has_labels(volume.labels, {label});
                          });
        if (!goes || !call.engine.users_of_volume(volume.name).empty()) {
            continue;
        }
        try {
            const std::uint64_t size = disk_usage(volume.directory);
            call.engine.remove_volume(volume.name);
            bytes += size;
            deleted.push_back(volume.name);
        } catch (const EngineError&) {  // NOLINT(bugprone-empty-catch): used or removed meanwhile
        }
    }
    call.engine.events().publish({.type = "volume",
                                  .action = "prune",
                                  .attributes = {{"reclaimed", std::to_string(bytes)}}});
    respond_json(call, 200, {{"VolumesDeleted", deleted}, {"SpaceReclaimed", bytes}});
}

constexpr std::array kVolumeRoutes = std::to_array<Route>({
    {"GET", "/volumes", list_volumes},
    {"POST", "/volumes/create", create_volume},
    {"POST", "/volumes/prune", prune_volumes},
    {"GET", "/volumes/{}", inspect_volume},
    {"DELETE", "/volumes/{}", remove_volume},
});

}  // namespace

json volume_json(const Volume& volume) {
    const auto whole_seconds = std::chrono::floor<std::chrono::seconds>(volume.created);
    const std::string created = to_text(Time(whole_seconds));
    return {{"Name", volume.name},
            {"Driver", "local"},
            {"Mountpoint", volume.directory.native()},
            {"CreatedAt", created.substr(0, created.find('.')) + "Z"},
            {"Labels", volume.labels.empty() ? json(nullptr) : json(volume.labels)},
            {"Options", volume.options.empty() ? json(nullptr) : json(volume.options)},
            {"Scope", "local"}};
}

std::span<const Route> volume_routes() {
    return kVolumeRoutes;
}

}  // namespace drydock::api
