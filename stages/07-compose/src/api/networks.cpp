#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/filters.hpp"

#include "api/network_body.hpp"
#include "api/network_json.hpp"
#include "api/network_trace.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

bool any_of_values(const Filters& filters, const char* key, auto matches) {
    const auto wanted = filters.find(key);
    return wanted == filters.end() || std::ranges::any_of(wanted->second, matches);
}

bool passes(const Network& network, const Filters& filters, bool in_use) {
    const std::string type = is_predefined(network.name) ? "builtin" : "custom";
    const auto labels = filters.find("label");
    return any_of_values(filters, "name",
                         [&](const std::string& text) {
                             return network.name.find(text) != std::string::npos;
                         }) &&
           any_of_values(filters, "id",
                         [&](const std::string& text) { return network.id.starts_with(text); }) &&
           any_of_values(filters, "driver",
                         [&](const std::string& text) { return network.driver == text; }) &&
           any_of_values(filters, "scope",
                         [&](const std::string& text) { return text == "local"; }) &&
           any_of_values(filters, "type", [&](const std::string& text) { return text == type; }) &&
           any_of_values(filters, "dangling",
                         [&](const std::string& text) {
                             return is_true(text) == (type == "custom" && !in_use);
                         }) &&
           (labels == filters.end() || has_labels(network.labels, labels->second));
}

void list_networks(Call& call) {
    constexpr std::array<std::string_view, 7> kKnown = {"name",  "id",   "driver",  "label",
                                                        "scope", "type", "dangling"};
    const Filters filters = parse_filters(call.parameter("filters"), kKnown);
    const Networks& networks = call.engine.networks();
    json list = json::array();
    for (const Network& network : networks.list()) {
        if (passes(network, filters, !networks.members(network.id).empty())) {
            list.push_back(network_json(network, networks, false));
        }
    }
    respond_json(call, 200, list);
}

void inspect_network(Call& call) {
    const Networks& networks = call.engine.networks();
    respond_json(call, 200, network_json(networks.find(call.name()), networks, true));
}

void create_network(Call& call) {
    const Network network = call.engine.networks().create(read_network_request(json_body(call)));
    call.engine.tell_of_network(network, "create");
    respond_json(call, 201, {{"Id", network.id}, {"Warning", ""}});
}

void remove_network(Call& call) {
    const Network network = call.engine.networks().find(call.name());
    call.engine.networks().remove(network.id);
    call.engine.tell_of_network(network, "destroy");
    respond_empty(call, 204);
}

std::string container_of(const json& body) {
    if (!body.contains("Container") || !body["Container"].is_string()) {
        throw InputError("request body: at /Container: expected the name of a container");
    }
    return body["Container"];
}

void connect_network(Call& call) {
    const json body = json_body(call);
    call.engine.connect(container_of(body), call.name(),
                        endpoint_settings_from_docker(body.value("EndpointConfig", json())));
    call.http.respond(200, {}, "");
}

void disconnect_network(Call& call) {
    const json body = json_body(call);
    const json force = body.value("Force", json());
    call.engine.disconnect(container_of(body), call.name(),
                           force.is_boolean() && force.get<bool>());
    call.http.respond(200, {}, "");
}

/// Whether a container is, or will be when it starts, in the network.
bool is_wanted(const Network& network, const std::vector<Container>& containers) {
    return std::ranges::any_of(containers, [&](const Container& container) {
        return container.config.network.endpoints.contains(network.name);
    });
}

void prune_networks(Call& call) {
    constexpr std::array<std::string_view, 3> kKnown = {"label", "label!", "until"};
    const Filters filters = parse_filters(call.parameter("filters"), kKnown);
    if (filters.contains("until") || filters.contains("label!")) {
        throw NotImplemented("pruning networks with the filters until and label!");
    }
    const std::vector<Container> containers = call.engine.list();
    json deleted = nullptr;
    for (const Network& network : call.engine.networks().list()) {
        if (is_predefined(network.name) || !passes(network, filters, false) ||
            is_wanted(network, containers)) {
            continue;
        }
        try {
            call.engine.networks().remove(network.id);
            call.engine.tell_of_network(network, "destroy");
            deleted.push_back(network.name);
        } catch (const EngineError&) {
            continue;  // somebody connected a container, or removed it, meanwhile
        }
    }
    respond_json(call, 200, {{"NetworksDeleted", deleted}});
}

void trace(Call& call) {
    respond_json(call, 200,
                 network_trace_json(call.engine.find(call.name()), call.engine.networks()));
}

constexpr std::array kNetworkRoutes = std::to_array<Route>({
    {"GET", "/networks", list_networks},
    {"POST", "/networks/create", create_network},
    {"POST", "/networks/prune", prune_networks},
    {"POST", "/networks/{}/connect", connect_network},
    {"POST", "/networks/{}/disconnect", disconnect_network},
    {"GET", "/networks/{}", inspect_network},
    {"GET", "/drydock/containers/{}/network", trace},
    {"DELETE", "/networks/{}", remove_network},
});

}  // namespace

std::span<const Route> network_routes() {
    return kNetworkRoutes;
}

}  // namespace drydock::api
