#include "anonymous_volumes.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace drydock::compose {
namespace {

using cli::path_of;
using nlohmann::json;

bool is_anonymous_name(const std::string& name) {
    constexpr std::size_t kLength = 64;
    return name.size() == kLength &&
           name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// Whether the spec says by itself what is to be at that place.
bool names_place(const cli::ContainerSpec& spec, const std::string& place) {
    const auto is_there = [&](const std::string& volume) {
        const auto colon = volume.find(':');
        return colon != std::string::npos &&
               volume.substr(colon + 1, volume.find(':', colon + 1) - colon - 1) == place;
    };
    return std::ranges::any_of(spec.volumes, is_there) ||
           std::ranges::any_of(spec.tmpfs, [&](const std::string& tmpfs) {
               return tmpfs.substr(0, tmpfs.find(':')) == place;
           });
}

}  // namespace

std::vector<AnonymousVolume> anonymous_volumes(const cli::Engine& engine, const std::string& id) {
    std::vector<AnonymousVolume> volumes;
    try {
        const json container = engine.get(path_of({"containers", id, "json"}));
        for (const json& mount : container.at("Mounts")) {
            const std::string name = mount.value("Name", "");
            if (mount.value("Type", "") == "volume" && is_anonymous_name(name)) {
                volumes.push_back({.name = name, .destination = mount.value("Destination", "")});
            }
        }
    } catch (const cli::EngineError& e) {
        constexpr int kGone = 404;
        if (e.status() != kGone) {
            throw;
        }
    }
    return volumes;
}

void take_over(const std::vector<AnonymousVolume>& volumes, cli::ContainerSpec& spec) {
    for (const AnonymousVolume& volume : volumes) {
        if (names_place(spec, volume.destination)) {
            continue;
        }
        std::erase(spec.volumes, volume.destination);
        spec.volumes.push_back(fmt::format("{}:{}", volume.name, volume.destination));
    }
}

void remove_anonymous(const cli::Engine& engine, const std::vector<AnonymousVolume>& volumes) {
    for (const AnonymousVolume& volume : volumes) {
        try {
            engine.remove(path_of({"volumes", volume.name}));
        } catch (const cli::EngineError& e) {
            constexpr int kGone = 404;
            constexpr int kInUse = 409;
            if (e.status() != kGone && e.status() != kInUse) {
                throw;
            }
        }
    }
}

}  // namespace drydock::compose
