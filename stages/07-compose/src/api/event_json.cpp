#include "api/event_json.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <nlohmann/json.hpp>

namespace drydock::api {
namespace {

constexpr std::array<std::string_view, 9> kEventFilters = {
    "container", "daemon", "event", "image", "label", "network", "scope", "type", "volume"};

std::string attribute(const Event& event, const char* key) {
    const auto found = event.attributes.find(key);
    return found == event.attributes.end() ? "" : found->second;
}

bool is_called(const Event& event, const std::string& value) {
    return event.id == value || attribute(event, "name") == value ||
           (!value.empty() && event.id.starts_with(value));
}

/// "busybox" fits "busybox:latest".
bool same_image(const std::string& image, const std::string& value) {
    return image == value || image.starts_with(value + ":") || image.starts_with(value + "@");
}

bool action_matches(const std::string& action, const std::string& value) {
    return action == value || action.starts_with(value + ":");
}

bool one_event_matches(const Event& event, const std::string& key, const std::string& value) {
    if (key == "type") {
        return event.type == value;
    }
    if (key == "event") {
        return action_matches(event.action, value);
    }
    if (key == "scope") {
        return value == "local";
    }
    if (key == "daemon") {
        return value == "drydock";
    }
    if (key == "image") {
        return (event.type == "image" &&
                (is_called(event, value) || same_image(attribute(event, "name"), value))) ||
               same_image(attribute(event, "image"), value);
    }
    return event.type == key && is_called(event, value);
}

}  // namespace

nlohmann::json event_json(const Event& event) {
    using std::chrono::floor;
    using std::chrono::seconds;
    nlohmann::json object = {{"Type", event.type},
                             {"Action", event.action},
                             {"Actor", {{"ID", event.id}, {"Attributes", event.attributes}}},
                             {"scope", "local"},
                             {"time", floor<seconds>(event.time).time_since_epoch().count()},
                             {"timeNano", event.time.time_since_epoch().count()}};
    if (event.type == "container" || event.type == "image") {
        object["status"] = event.action;
        object["id"] = event.id;
    }
    if (event.type == "container") {
        object["from"] = attribute(event, "image");
    }
    return object;
}

Filters parse_event_filters(std::string_view json) {
    return parse_filters(json, kEventFilters);
}

bool passes(const Event& event, const Filters& filters) {
    return std::ranges::all_of(filters, [&](const auto& filter) {
        const auto& [key, values] = filter;
        if (key == "label") {
            return has_labels(event.attributes, values);
        }
        return std::ranges::any_of(
            values, [&](const std::string& value) { return one_event_matches(event, key, value); });
    });
}

}  // namespace drydock::api
