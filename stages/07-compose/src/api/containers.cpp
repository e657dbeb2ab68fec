#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/volume_store.hpp"

#include "api/container_filters.hpp"
#include "api/container_json.hpp"
#include "api/create_body.hpp"
#include "api/network_json.hpp"
#include "api/platform.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

/// For the filter `ancestor`; "" when there is no such image.
std::string image_id(Engine& engine, const std::string& name) {
    try {
        const auto image = engine.images().find(name);
        return image ? image->id.text() : "";
    } catch (const InputError&) {
        return "";
    }
}

/// @throws EngineError NotFound, at which clients pull the image for that machine
void check_platform(Call& call, const std::string& image_name) {
    const std::string text = call.parameter("platform");
    if (text.empty()) {
        return;
    }
    const oci::Platform wanted = parse_platform(text);
    const auto image = call.engine.images().find(image_name);
    if (!image) {
        return;  // create() says so
    }
    const oci::Platform made = call.engine.images().config(*image).platform;
    if (!fits(made, wanted)) {
        throw EngineError(Refusal::NotFound,
                          fmt::format("image with reference {} was found but does not match the "
                                      "specified platform: wanted {}, actual: {}",
                                      image_name, platform_text(wanted), platform_text(made)));
    }
}

void create(Call& call) {
    ContainerConfig config = read_create_body(json_body(call));
    check_platform(call, config.image);
    constexpr int kIpcPrivate = 40;  // before API 1.40 anybody's memory could be shared
    if (call.version < kIpcPrivate && config.isolation.ipc_mode.empty()) {
        config.isolation.ipc_mode = "shareable";
    }
    json warnings = network_warnings(config);
    for (std::string& warning : isolation_warnings(config.isolation)) {
        warnings.push_back(std::move(warning));
    }
    const std::string id = call.engine.create(std::move(config), call.parameter("name"));
    respond_json(call, 201, {{"Id", id}, {"Warnings", warnings}});
}

/// What it wrote, and that with its image.
void put_sizes(json& object, const Container& container, Engine& engine) {
    const auto written = disk_usage(engine.images().snapshots().active(container.id).upper);
    const auto image = engine.images().find(container.config.image_id);
    object["SizeRw"] = written;
    object["SizeRootFs"] = written + (image ? image->size : 0);
}

void list_containers(Call& call) {
    const Filters filters = parse_container_filters(call.parameter("filters"));
    const long limit = call.number("limit").value_or(-1);
    const bool all = call.flag("all") || limit > 0 || filters.contains("status");
    json result = json::array();
    for (const Container& container : call.engine.list()) {
        const bool wanted = (all || is_up(container.state)) &&
                            passes(container, filters, [&](const std::string& name) {
                                return image_id(call.engine, name);
                            });
        if (wanted && (limit <= 0 || result.size() < static_cast<std::size_t>(limit))) {
            result.push_back(list_json(container, call.engine));
            if (call.flag("size")) {
                put_sizes(result.back(), container, call.engine);
            }
        }
    }
    respond_json(call, 200, result);
}

void inspect_container(Call& call) {
    const Container container = call.engine.find(call.name());
    json object = inspect_json(container, call.engine);
    if (call.flag("size")) {
        put_sizes(object, container, call.engine);
    }
    respond_json(call, 200, object);
}

void start(Call& call) {
    // A body was once a way to change the container's settings. One that holds any is refused
    // rather than ignored.
    if (json_body(call).size() > 0) {
        throw InputError(
            "starting container with non-empty request body was deprecated since API v1.22 and "
            "removed in v1.24");
    }
    call.engine.start(call.name());
    respond_empty(call, 204);
}

StopRequest stop_request(Call& call) {
    StopRequest request;
    if (const auto grace = call.number("t")) {
        request.grace = std::chrono::seconds(*grace);
    }
    if (const std::string signal = call.parameter("signal");
        !signal.empty() && call.version >= 42) {
        request.signal = signal;
    }
    return request;
}

void stop(Call& call) {
    call.engine.stop(call.name(), stop_request(call));
    respond_empty(call, 204);
}

void restart(Call& call) {
    call.engine.restart(call.name(), stop_request(call));
    respond_empty(call, 204);
}

void kill(Call& call) {
    call.engine.kill(call.name(), call.parameter("signal"));
    respond_empty(call, 204);
}

void pause(Call& call) {
    call.engine.pause(call.name());
    respond_empty(call, 204);
}

void unpause(Call& call) {
    call.engine.unpause(call.name());
    respond_empty(call, 204);
}

void rename(Call& call) {
    call.engine.rename(call.name(), call.parameter("name"));
    respond_empty(call, 204);
}

void remove_container(Call& call) {
    if (call.flag("link")) {
        throw NotImplemented("links");
    }
    call.engine.remove(call.name(), call.flag("force"), call.flag("v"));
    respond_empty(call, 204);
}

/// The moment before which what is pruned must have been made: a time, or a duration before now.
std::optional<Time> prune_until(const Filters& filters) {
    const auto found = filters.find("until");
    return found == filters.end() ? std::nullopt
                                  : std::optional(parse_query_time(found->second.front()));
}

void prune_containers(Call& call) {
    constexpr std::array<std::string_view, 3> kKnown = {"label", "label!", "until"};
    Filters filters = parse_filters(call.parameter("filters"), kKnown);
    const auto until = prune_until(filters);
    const auto without = std::exchange(filters["label!"], {});
    filters.erase("label!");
    filters.erase("until");
    json deleted = json::array();
    std::uint64_t bytes = 0;
    for (const Container& container : call.engine.list()) {
        const bool kept = is_up(container.state) || (until && container.created >= *until) ||
                          std::ranges::any_of(without, [&](const std::string& label) {
                              return has_labels(container.config.labels, {label});
                          });
        if (kept || !passes(container, filters, {})) {
            continue;
        }
        try {
            const auto size =
                disk_usage(call.engine.images().snapshots().active(container.id).upper);
            call.engine.remove(container.id, false);
            bytes += size;
            deleted.push_back(container.id);
        } catch (const EngineError&) {
            continue;  // somebody started or removed it meanwhile
        }
    }
    call.engine.events().publish({.type = "container",
                                  .action = "prune",
                                  .attributes = {{"reclaimed", std::to_string(bytes)}}});
    respond_json(call, 200, {{"ContainersDeleted", deleted}, {"SpaceReclaimed", bytes}});
}

void explain(Call& call) {
    const std::filesystem::path file =
        call.engine.store().explain_file(call.engine.find(call.name()).id);
    if (!std::filesystem::exists(file)) {
        throw EngineError(
            Refusal::NotFound,
            fmt::format("Container {} was not started with the annotation drydock.explain=1",
                        call.name()));
    }
    call.http.respond(200, {{"Content-Type", "text/plain; charset=utf-8"}}, read_file(file));
}

constexpr std::array kContainerRoutes = std::to_array<Route>({
    {"POST", "/containers/create", create},
    {"GET", "/containers/json", list_containers},
    {"POST", "/containers/prune", prune_containers},
    {"GET", "/containers/{}/json", inspect_container},
    {"POST", "/containers/{}/start", start},
    {"POST", "/containers/{}/stop", stop},
    {"POST", "/containers/{}/restart", restart},
    {"POST", "/containers/{}/kill", kill},
    {"POST", "/containers/{}/pause", pause},
    {"POST", "/containers/{}/unpause", unpause},
    {"POST", "/containers/{}/rename", rename},
    {"DELETE", "/containers/{}", remove_container},
    {"GET", "/drydock/containers/{}/explain", explain},
});

}  // namespace

std::span<const Route> container_routes() {
    return kContainerRoutes;
}

}  // namespace drydock::api
