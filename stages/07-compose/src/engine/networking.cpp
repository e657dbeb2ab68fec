// What the engine does about containers' networks: settings into bundles, start, connect,
// disconnect.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <system_error>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "02-namespaces/capabilities.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/network/etc_files.hpp"

#include "engine/entry.hpp"
#include "engine/image_defaults.hpp"

namespace drydock {
namespace {

constexpr std::string_view kContainerMode = "container:";

bool has_own_network(const std::string& mode) {
    return mode != "none" && mode != "host" && !mode.starts_with(kContainerMode);
}

/// A daemon that may not touch the host's network gives containers one with a loopback only, unless
/// they ask for another.
std::string checked_mode(const std::string& mode) {
    if (!has_own_network(mode) ||
        has_capabilities(capability("CAP_NET_ADMIN") | capability("CAP_SYS_ADMIN"))) {
        return mode;
    }
    if (mode != "default") {
        throw SetupError(
            fmt::format("network {}: bridges need CAP_NET_ADMIN: run the daemon as root, or the "
                        "container with --network none or host",
                        mode),
            std::error_code(EPERM, std::generic_category()), kSetupFailed);
    }
    static std::once_flag said;
    std::call_once(said, [] {
        fmt::print(stderr,
                   "drydock-daemon: without CAP_NET_ADMIN containers have the network \"none\", "
                   "unless they ask for \"host\"\n");
    });
    return "none";
}

}  // namespace

/// The settings as the rest of the engine knows them: every network by its name, the first one
/// among the endpoints, another container by its ID.
void Engine::prepare_network(ContainerConfig& config) const {
    std::string& mode = config.network_mode;
    mode = checked_mode(mode);
    if (mode.starts_with(kContainerMode)) {
        const Container other = find_donor(mode.substr(kContainerMode.size()), "network");
        mode = std::string(kContainerMode) + other.id;
        config.hostname = other.config.hostname;
    } else if (has_own_network(mode)) {
        auto& endpoints = config.network.endpoints;
        if (const auto given = endpoints.extract("default"); !given.empty()) {
            endpoints.try_emplace(std::string(kBridgeNetwork), given.mapped());
        }
        mode = mode == "default" ? std::string(kBridgeNetwork) : mode;
        endpoints.try_emplace(mode);
        for (const Network& network : networks_.list()) {
            if (auto by_id = endpoints.extract(network.id); !by_id.empty()) {
                endpoints.try_emplace(network.name, by_id.mapped());
            }
        }
    } else {
        config.network.endpoints.erase(mode);
        config.network.endpoints.erase("default");
    }
    networks_.check_settings(config);
}

ContainerOptions Engine::bundle_options(const Container& container) const {
    ContainerOptions options = options_for_bundle(container.config);
    const std::string& mode = container.config.network_mode;
    // What is bound over a container's files is another's when it has the other's network.
    const bool joins = mode.starts_with(kContainerMode);
    const std::string owner = joins ? mode.substr(kContainerMode.size()) : container.id;
    const std::vector<oci::Mount> etc = etc_mounts(store_.directory(owner), mode);
    for (const oci::Mount& mount : etc) {
        const bool taken = std::ranges::any_of(options.mounts, [&](const oci::Mount& other) {
            return other.destination == mount.destination;
        });
        if (!taken) {
            options.mounts.push_back(mount);
        }
    }
    if (mode != "none" && mode != "host") {
        options.network_namespace = networks_.network_path(container.id);
    }
    options.domainname = container.config.network.domainname;
    put_shared_namespaces(container, options);
    return options;
}

void Engine::start_network(const EntryPtr& one) {
    const std::string& mode = one->container.config.network_mode;
    int joined_pid = 0;
    if (mode.starts_with(kContainerMode)) {
        const Container other = find(std::string_view(mode).substr(kContainerMode.size()));
        if (other.state.pid == 0) {
            throw EngineError(
                Refusal::Conflict,
                fmt::format("cannot join network of a non running container: {}", other.id));
        }
        joined_pid = other.state.pid;
    }
    networks_.start(one->container, joined_pid);
}

void Engine::connect(std::string_view container, std::string_view network_name,
                     const EndpointSettings& settings) {
    const EntryPtr one = entry(container);
    const std::lock_guard operation(one->operation);
    const Network network = networks_.find(network_name);
    Container changed = find(one->container.id);
    if (network.driver != "bridge") {
        throw EngineError(Refusal::Forbidden,
                          fmt::format("container cannot be connected to {} network", network.name));
    }
    if (!has_own_network(changed.config.network_mode)) {
        throw EngineError(Refusal::Forbidden,
                          "container sharing network namespace with another container or host "
                          "cannot be connected to any other network");
    }
    if (!changed.config.network.endpoints.try_emplace(network.name, settings).second) {
        throw EngineError(Refusal::Forbidden,
                          fmt::format("endpoint with name {} already exists in network {}",
                                      changed.name, network.name));
    }
    networks_.check_settings(changed.config);
    if (changed.state.pid != 0) {
        networks_.connect(changed, network.name, changed.state.pid);
    }
    store_.save(changed);
    tell_of_network(network, "connect", changed.id);
    const std::lock_guard lock(mutex_);
    one->container.config.network = changed.config.network;
}

void Engine::tell_of_network(const Network& network, const std::string& action,
                             const std::string& container) {
    Event event{.type = "network",
                .action = action,
                .id = network.id,
                .attributes = {{"name", network.name}, {"type", network.driver}}};
    if (!container.empty()) {
        event.attributes["container"] = container;
    }
    events_.publish(std::move(event));
}

void Engine::tell_of_networks(const Container& container, const char* action) {
    for (const Network& network : networks_.list()) {
        if (container.config.network.endpoints.contains(network.name)) {
            tell_of_network(network, action, container.id);
        }
    }
}

void Engine::disconnect(std::string_view container, std::string_view network_name, bool force) {
    const EntryPtr one = entry(container);
    const std::lock_guard operation(one->operation);
    const Network network = networks_.find(network_name);
    Container changed = find(one->container.id);
    if (changed.config.network.endpoints.erase(network.name) == 0) {
        if (force) {
            return;
        }
        throw EngineError(
            Refusal::Forbidden,
            fmt::format("container {} is not connected to network {}", changed.id, network.name));
    }
    if (changed.state.pid != 0) {
        networks_.disconnect(changed, network.name, changed.state.pid);
    }
    store_.save(changed);
    tell_of_network(network, "disconnect", changed.id);
    const std::lock_guard lock(mutex_);
    one->container.config.network = changed.config.network;
}

}  // namespace drydock
