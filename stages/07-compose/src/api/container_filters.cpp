#include "api/container_filters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <regex>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::api {
namespace {

constexpr std::array<std::string_view, 8> kContainerFilters = {
    "ancestor", "exited", "health", "id", "label", "name", "network", "status"};
constexpr std::array<std::string_view, 7> kKnownStatuses = {
    "created", "running", "paused", "restarting", "removing", "exited", "dead"};

/// docker's rule: a regular expression that may also be written for the name with its "/".
bool name_matches(const std::string& name, const std::string& pattern) {
    try {
        const std::regex expression(pattern);
        return std::regex_search(name, expression) || std::regex_search("/" + name, expression);
    } catch (const std::regex_error&) {
        throw InputError(
            fmt::format("Invalid filter 'name={}': expected a regular expression", pattern));
    }
}

bool one_matches(const Container& container, const std::string& key, const std::string& value,
                 const std::function<std::string(const std::string&)>& image_id_of) {
    if (key == "id") {
        return container.id.starts_with(value);
    }
    if (key == "name") {
        return name_matches(container.name, value);
    }
    if (key == "status") {
        return state_name(container.state) == value;
    }
    if (key == "exited") {
        return container.state.status == Status::Exited &&
               std::to_string(container.state.exit_code) == value;
    }
    if (key == "health") {
        return (container.state.health ? container.state.health->status : "none") == value;
    }
    if (key == "network") {
        return container.config.network_mode == value ||
               (container.config.network_mode == "default" && value == "none");
    }
    return container.config.image == value || container.config.image_id == image_id_of(value);
}

}  // namespace

Filters parse_container_filters(std::string_view json) {
    Filters filters = parse_filters(json, kContainerFilters);
    for (const std::string& status : filters["status"]) {
        if (std::ranges::find(kKnownStatuses, status) == kKnownStatuses.end()) {
            throw InputError(fmt::format("Invalid filter 'status={}': expected {}", status,
                                         fmt::join(kKnownStatuses, ", ")));
        }
    }
    std::erase_if(filters, [](const auto& filter) { return filter.second.empty(); });
    return filters;
}

bool passes(const Container& container, const Filters& filters,
            const std::function<std::string(const std::string&)>& image_id_of) {
    return std::ranges::all_of(filters, [&](const auto& filter) {
        const auto& [key, values] = filter;
        if (key == "label") {
            return has_labels(container.config.labels, values);
        }
        return std::ranges::any_of(values, [&](const std::string& value) {
            return one_matches(container, key, value, image_id_of);
        });
    });
}

}  // namespace drydock::api
