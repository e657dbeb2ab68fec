// Volumes, and what containers mount.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/mounts.hpp"

namespace drydock {
namespace {

Event volume_event(const std::string& name, const char* action,
                   std::map<std::string, std::string> attributes = {}) {
    attributes["driver"] = "local";
    return {.type = "volume", .action = action, .id = name, .attributes = std::move(attributes)};
}

/// "NAME:ro" in its parts.
std::pair<std::string, bool> split_volumes_from(const std::string& text) {
    const auto colon = text.find(':');
    const std::string mode = colon == std::string::npos ? "rw" : text.substr(colon + 1);
    if (mode != "ro" && mode != "rw" && mode != "z" && mode != "Z") {
        throw InputError(fmt::format("invalid mode for volumes-from: {}", mode));
    }
    return {text.substr(0, colon), mode != "ro"};
}

}  // namespace

Volume Engine::create_volume(const std::string& name, std::map<std::string, std::string> labels,
                             std::map<std::string, std::string> options) {
    auto [volume, is_new] = volumes_.create(name, std::move(labels), std::move(options));
    if (is_new) {
        events_.publish(volume_event(volume.name, "create"));
    }
    return volume;
}

Volume Engine::find_volume(const std::string& name) const {
    auto volume = volumes_.find(name);
    if (!volume) {
        throw EngineError(Refusal::NotFound, fmt::format("get {}: no such volume", name));
    }
    return std::move(*volume);
}

std::vector<std::string> Engine::users_of_volume(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> users;
    for (const auto& [id, one] : entries_) {
        const auto& mounts = one->container.config.mounts;
        if (!one->removed && std::ranges::any_of(mounts, [&](const MountPoint& mount) {
                return mount.type == "volume" && mount.name == name;
            })) {
            users.push_back(id);
        }
    }
    return users;
}

void Engine::remove_volume(const std::string& name) {
    static_cast<void>(find_volume(name));
    const auto users = users_of_volume(name);
    bool reserved = false;
    {
        const std::lock_guard lock(mutex_);
        reserved = reserved_volumes_.contains(name);
    }
    if (!users.empty() || reserved) {
        throw EngineError(Refusal::Conflict, fmt::format("remove {}: volume is in use - [{}]", name,
                                                         fmt::join(users, ", ")));
    }
    volumes_.remove(name);
    events_.publish(volume_event(name, "destroy"));
}

void Engine::reserve_volumes(const std::vector<MountPoint>& mounts, bool reserve) {
    const std::lock_guard lock(mutex_);
    for (const MountPoint& mount : mounts) {
        if (mount.type != "volume" || mount.name.empty()) {
            continue;
        }
        if (reserve) {
            reserved_volumes_.insert(mount.name);
        } else if (const auto found = reserved_volumes_.find(mount.name);
                   found != reserved_volumes_.end()) {
            reserved_volumes_.erase(found);
        }
    }
}

Container Engine::find_lender(const std::string& name) const {
    try {
        return find(name);
    } catch (const EngineError& e) {
        // Not 404: at the creation that would mean that the image is missing, and clients pull it.
        throw EngineError(Refusal::BadRequest, e.what());
    }
}

void Engine::take_mounts(ContainerConfig& config, const Image& image) {
    std::vector<MountPoint> borrowed;
    for (const std::string& text : config.volumes_from) {
        const auto [name, writable] = split_volumes_from(text);
        for (MountPoint mount : find_lender(name).config.mounts) {
            mount.writable = mount.writable && writable;
            mount.anonymous = false;
            mount.copy_up = false;
            borrowed.push_back(std::move(mount));
        }
    }
    const oci::ExecutionConfig settings = images_.config(image).config;
    config.mounts = gathered_mounts(config.mounts, borrowed, settings);
    // From here on nobody removes them.
    reserve_volumes(config.mounts, true);
    for (MountPoint& mount : config.mounts) {
        if (mount.type == "bind") {
            prepare_bind(mount);
        }
        if (mount.type != "volume") {
            continue;
        }
        const Volume volume = create_volume(mount.name, mount.labels, mount.driver_options);
        if (mount.name.empty()) {
            mount.name = volume.name;
            mount.anonymous = true;
            reserve_volumes({mount}, true);
        }
        mount.source = volume.source;
        mount.copy_up = mount.copy_up && mount.subpath.empty();
        copy_up(images_, images_.unpack(image), mount);
    }
}

void Engine::remove_anonymous_volumes(const std::vector<MountPoint>& mounts) {
    for (const MountPoint& mount : mounts) {
        if (mount.type != "volume" || !mount.anonymous || mount.name.empty()) {
            continue;
        }
        try {
            remove_volume(mount.name);
        } catch (const EngineError&) {  // NOLINT(bugprone-empty-catch): another container borrowed
                                        // it, or it is gone
        }
    }
}

void Engine::tell_of_mounts(const Container& container, const char* action) {
    for (const MountPoint& mount : container.config.mounts) {
        if (mount.type == "volume") {
            events_.publish(volume_event(mount.name, action,
                                         {{"container", container.id},
                                          {"destination", mount.destination},
                                          {"propagation", mount.propagation},
                                          {"read/write", mount.writable ? "true" : "false"}}));
        }
    }
}

}  // namespace drydock
