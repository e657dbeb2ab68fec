// What running containers have of networks: addresses, names, published ports. How they get it is
// in wiring.cpp.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/network/bridge.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/networks.hpp"

#include "network/lease_file.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJoin = "container:";

bool has_network_of_its_own(const std::string& mode) {
    return mode != "none" && mode != "host" && !mode.starts_with(kJoin);
}

/// What others in a network call the container.
std::vector<std::string> names_of(const Container& container, const EndpointSettings& settings) {
    std::vector<std::string> names = {container.name};
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    };
    std::ranges::for_each(settings.aliases, add);
    add(container.id.substr(0, 12));
    add(container.config.hostname);
    return names;
}

std::vector<IpAddress> addresses_of(const std::vector<std::string>& texts) {
    std::vector<IpAddress> addresses;
    for (const std::string& text : texts) {
        if (const auto address = parse_ip_address(text)) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

/// "80/tcp, …" settings that mean something in that mode only.
void check_mode(const ContainerConfig& config) {
    const std::string& mode = config.network_mode;
    const NetworkSettings& settings = config.network;
    if (mode.starts_with(kJoin)) {
        const bool publishes = !settings.ports.empty() || settings.publish_all;
        if (publishes) {
            throw InputError(
                "conflicting options: port publishing and the container type network mode");
        }
        if (!settings.extra_hosts.empty()) {
            throw InputError("conflicting options: custom host-to-IP mapping and the network mode");
        }
        if (!settings.dns.empty()) {
            throw InputError("conflicting options: dns and the network mode");
        }
    }
    if (!has_network_of_its_own(mode) && !settings.endpoints.empty()) {
        throw InputError(fmt::format(
            "conflicting options: a container with the network mode {} has no other networks",
            mode));
    }
}

}  // namespace

const Endpoint* default_endpoint(const NetworkLease& lease, int family) {
    const Endpoint* first = nullptr;
    for (const Endpoint& endpoint : lease.endpoints) {
        const bool leads_out = family == AF_INET ? static_cast<bool>(endpoint.gateway4)
                                                 : static_cast<bool>(endpoint.gateway6);
        if (leads_out && (first == nullptr || endpoint.network_name < first->network_name)) {
            first = &endpoint;
        }
    }
    return first;
}

std::optional<NetworkLease> Networks::lease_of(const std::string& container_id) const {
    const std::lock_guard lock(mutex_);
    const auto one = running_.find(container_id);
    return one == running_.end() ? std::nullopt : std::optional(one->second.lease);
}

std::vector<ProxiedBinding> Networks::proxied_of(const std::string& container_id) const {
    const std::lock_guard lock(mutex_);
    const auto one = running_.find(container_id);
    return one == running_.end() ? std::vector<ProxiedBinding>{} : one->second.proxied;
}

void Networks::save_lease(const std::string& container_id) const {
    const UniqueFd directory =
        open_file(containers_directory_ / container_id, O_DIRECTORY | O_RDONLY);
    replace_file(directory.get(), kLeaseFile, to_json(running_.at(container_id).lease), 0600,
                 Lasts::Kill);
}

void Networks::check_settings(const ContainerConfig& config) const {
    check_mode(config);
    check_etc_settings(config.network);
    static_cast<void>(port_requests(config.network, config.exposed_ports, {}));
    for (const auto& [name, settings] : config.network.endpoints) {
        if (!settings.links.empty() && !has_names(name)) {
            throw NotImplemented(
                "links on the default network; in one of 'network create' names need none");
        }
        if (!settings.mac.empty() && !parse_mac_address(settings.mac)) {
            throw InputError(fmt::format("invalid MAC address: {}", settings.mac));
        }
        if (!settings.ipv4.empty() || !settings.ipv6.empty()) {
            if (name == kBridgeNetwork) {
                throw InputError(
                    "user specified IP address is supported on user defined networks only");
            }
            for (const std::string& address : {settings.ipv4, settings.ipv6}) {
                if (!address.empty() && !parse_ip_address(address)) {
                    throw InputError(fmt::format("invalid IP address \"{}\"", address));
                }
            }
        }
    }
}

Endpoint Networks::take_endpoint(const Container& container, const Network& network,
                                 const EndpointSettings& settings, std::size_t number) {
    Endpoint endpoint{.id = new_container_id(),
                      .network_id = network.id,
                      .network_name = network.name,
                      .interface = fmt::format("eth{}", number),
                      .names = names_of(container, settings),
                      .links = settings.links};
    endpoint.host_link = "veth" + endpoint.id.substr(0, 7);
    std::set<IpAddress>& used = leases_[network.id];
    const auto take = [&](const AddressPool& pool, const std::string& wanted) {
        const IpAddress address = wanted.empty() ? free_address(pool, used, network)
                                                 : wanted_address(wanted, network, used);
        used.insert(address);
        return Subnet{address, pool.subnet.prefix};
    };
    for (const AddressPool& pool : network.pools) {
        auto& mine = pool.subnet.address.is_v6() ? endpoint.ipv6 : endpoint.ipv4;
        auto& gateway = pool.subnet.address.is_v6() ? endpoint.gateway6 : endpoint.gateway4;
        if (!mine) {
            mine = take(pool, pool.subnet.address.is_v6() ? settings.ipv6 : settings.ipv4);
            gateway = network.internal ? IpAddress{} : pool.gateway;
        }
    }
    endpoint.mac =
        parse_mac_address(settings.mac)
            .value_or(mac_address_for(endpoint.ipv4 ? endpoint.ipv4->address : IpAddress{}));
    return endpoint;
}

void Networks::release(const Endpoint& endpoint) {
    for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
        if (address) {
            leases_[endpoint.network_id].erase(address->address);
        }
    }
}

void Networks::lease_all(const Container& container) {
    const ContainerConfig& config = container.config;
    Running running{.name = container.name, .name_servers = addresses_of(config.network.dns)};
    // The network that was asked for first is eth0, then the others by name.
    std::vector<std::string> order;
    for (const auto& [name, settings] : config.network.endpoints) {
        order.push_back(name);
    }
    const std::string primary =
        config.network_mode == "default" ? std::string(kBridgeNetwork) : config.network_mode;
    std::ranges::stable_partition(order, [&](const std::string& name) { return name == primary; });
    try {
        for (const std::string& name : order) {
            const Network& network = found(name);
            if (network.driver != "bridge") {
                throw EngineError(
                    Refusal::Forbidden,
                    fmt::format("network {} takes no containers beside others", name));
            }
            check_pools_are_free(networks_.at(network.id));
            running.lease.endpoints.push_back(take_endpoint(container, network,
                                                            config.network.endpoints.at(name),
                                                            running.lease.endpoints.size()));
        }
        const Endpoint* published = default_endpoint(running.lease, AF_INET);
        if (published != nullptr) {
            const IpAddress everywhere =
                bridge_options(networks_.at(published->network_id)).host_binding;
            running.lease.ports = ports_.reserve(
                container.id, port_requests(config.network, config.exposed_ports, everywhere));
        }
    } catch (...) {
        std::ranges::for_each(running.lease.endpoints,
                              [&](const Endpoint& endpoint) { release(endpoint); });
        throw;
    }
    running_[container.id] = std::move(running);
    save_lease(container.id);
}

void Networks::renamed(const std::string& container_id, const std::string& old_name,
                       const std::string& new_name) {
    {
        const std::lock_guard lock(mutex_);
        const auto one = running_.find(container_id);
        if (one == running_.end()) {
            return;
        }
        one->second.name = new_name;
        for (Endpoint& endpoint : one->second.lease.endpoints) {
            std::ranges::replace(endpoint.names, old_name, new_name);
        }
        save_lease(container_id);
    }
    serve_names(container_id, -1);
}

void Networks::adopt(const Container& container) {
    adopt_lease(container);
    try {
        const UniqueFd pidfd(
            static_cast<int>(check(::syscall(SYS_pidfd_open, container.state.pid, 0),
                                   "pidfd_open({})", container.state.pid)));
        if (lease_of(container.id)) {
            serve_names(container.id, network_of_process(container.state.pid).get());
            names_live(container.id, pidfd.get());
        }
    } catch (const std::exception& e) {
        warn(fmt::format("container {}: its network is as it was, but: {}", container.name,
                         e.what()));
    }
}

void Networks::adopt_lease(const Container& container) {
    const fs::path file = containers_directory_ / container.id / kLeaseFile;
    if (::access(file.c_str(), F_OK) != 0) {
        return;
    }
    Running running{.name = container.name,
                    .name_servers = addresses_of(container.config.network.dns)};
    try {
        running.lease = lease_from_json(read_file(file), file.native());
    } catch (const std::exception& e) {
        warn(fmt::format("container {}: its network is as it was, but: {}", container.name,
                         e.what()));
    }
    const std::lock_guard lock(mutex_);
    for (const Endpoint& endpoint : running.lease.endpoints) {
        for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
            if (address) {
                leases_[endpoint.network_id].insert(address->address);
            }
        }
    }
    ports_.adopt(container.id, running.lease.ports);
    running.pid = container.state.pid;
    running.proxied = proxied_ports(running.lease, kernel_forwards_ && !ports_elsewhere_);
    running_[container.id] = std::move(running);
}

}  // namespace drydock
