// What running containers have of networks: addresses, links, published ports.
#include <fcntl.h>
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

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLeaseFile = "network.json";
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

UniqueFd network_of(int pid) {
    return open_file(fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
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

fs::path Networks::network_path(const std::string& container_id) const {
    return run_root_ / "netns" / container_id;
}

void Networks::link_network_path(const std::string& container_id, const std::string& target) const {
    const fs::path path = network_path(container_id);
    static_cast<void>(::unlink(path.c_str()));
    check(::symlink(target.c_str(), path.c_str()), "symlink({}, {})", target, path.native());
}

std::optional<NetworkLease> Networks::lease_of(const std::string& container_id) const {
    const std::lock_guard lock(mutex_);
    const auto one = running_.find(container_id);
    return one == running_.end() ? std::nullopt : std::optional(one->second.lease);
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

void Networks::start(const Container& container, int joined_pid) {
    const std::string& mode = container.config.network_mode;
    if (mode == "none") {
        return;
    }
    const fs::path directory = containers_directory_ / container.id;
    if (mode == "host") {
        write_etc_files(directory, container, {}, {});
        return;
    }
    if (mode.starts_with(kJoin)) {
        link_network_path(container.id, fmt::format("/proc/{}/ns/net", joined_pid));
        return;
    }
    NetworkLease lease;
    IpAddress host_gateway;
    {
        const std::lock_guard lock(mutex_);
        lease_all(container);
        lease = running_.at(container.id).lease;
        host_gateway = found(kBridgeNetwork).pools.front().gateway;
    }
    try {
        UniqueFd network = make_network_namespace();
        wire(container, network.get());
        serve_names(container, lease, network.get());
        apply_rules(!lease.ports.empty());
        write_etc_files(directory, container, lease, host_gateway);
        link_network_path(container.id, fmt::format("/proc/{}/fd/{}", ::getpid(), network.get()));
        const std::lock_guard lock(mutex_);
        running_.at(container.id).network_namespace = std::move(network);
    } catch (...) {
        stop(container.id);
        throw;
    }
}

void Networks::wire(const Container& container, int network_namespace) {
    NetworkLease lease;
    std::vector<Network> networks;
    {
        const std::lock_guard lock(mutex_);
        lease = running_.at(container.id).lease;
        for (const Endpoint& endpoint : lease.endpoints) {
            networks.push_back(networks_.at(endpoint.network_id));
        }
    }
    if (networks.empty()) {
        bring_loopback_up(network_namespace);
    }
    for (std::size_t i = 0; i < networks.size(); ++i) {
        const Endpoint& endpoint = lease.endpoints[i];
        ensure_bridge(networks[i]);
        const std::lock_guard lock(here_mutex_);
        plug_in(here_, network_namespace,
                {.endpoint = endpoint,
                 .network = networks[i],
                 .default_route4 = default_endpoint(lease, AF_INET) == &endpoint,
                 .default_route6 = default_endpoint(lease, AF_INET6) == &endpoint});
    }
}

void Networks::started(const std::string& container_id) {
    static_cast<void>(::unlink(network_path(container_id).c_str()));
    const std::lock_guard lock(mutex_);
    if (const auto one = running_.find(container_id); one != running_.end()) {
        one->second.network_namespace = UniqueFd();
    }
}

void Networks::renamed(const std::string& container_id, const std::string& old_name,
                       const std::string& new_name) {
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

void Networks::stop(const std::string& container_id) {
    static_cast<void>(::unlink(network_path(container_id).c_str()));
    static_cast<void>(::unlink((containers_directory_ / container_id / kLeaseFile).c_str()));
    names_.remove(container_id);
    {
        const std::lock_guard lock(mutex_);
        const auto one = running_.find(container_id);
        if (one == running_.end()) {
            return;
        }
        ports_.release(container_id);
        for (Endpoint& endpoint : one->second.lease.endpoints) {
            retired_.push_back(
                {.endpoint = std::move(endpoint), .published = !one->second.lease.ports.empty()});
        }
        running_.erase(one);
    }
    wake_reaper_.notify_all();
}

void Networks::adopt(const Container& container) {
    const fs::path file = containers_directory_ / container.id / kLeaseFile;
    if (::access(file.c_str(), F_OK) != 0) {
        return;
    }
    Running running{.name = container.name,
                    .name_servers = addresses_of(container.config.network.dns)};
    try {
        running.lease = lease_from_json(read_file(file), file.native());
        serve_names(container, running.lease, network_of(container.state.pid).get());
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
    running_[container.id] = std::move(running);
}

void Networks::reassert() {
    std::vector<Network> used;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, network] : networks_) {
            const bool in_use = std::ranges::any_of(running_, [&, &wanted = id](const auto& one) {
                return std::ranges::any_of(
                    one.second.lease.endpoints,
                    [&](const Endpoint& endpoint) { return endpoint.network_id == wanted; });
            });
            if (in_use) {
                used.push_back(network);
            }
        }
    }
    for (const Network& network : used) {
        try {
            ensure_bridge(network);
        } catch (const std::exception& e) {
            warn(e.what());
        }
    }
    if (!used.empty()) {
        apply_rules(false);
    }
}

FirewallRules Networks::rules() const {
    const std::lock_guard lock(mutex_);
    FirewallRules rules{.forwards_only_ours = forwards_only_ours_};
    for (const auto& [id, network] : networks_) {
        if (network.driver != "bridge") {
            continue;
        }
        const BridgeOptions options = bridge_options(network);
        const AddressPool* v4 = pool_of(network, AF_INET);
        const AddressPool* v6 = pool_of(network, AF_INET6);
        rules.networks.push_back({.bridge = options.name,
                                  .ipv4 = v4 ? std::optional(v4->subnet) : std::nullopt,
                                  .ipv6 = v6 ? std::optional(v6->subnet) : std::nullopt,
                                  .internal = network.internal,
                                  .masquerade = options.masquerade});
    }
    for (const auto& [id, running] : running_) {
        for (const Endpoint& endpoint : running.lease.endpoints) {
            rules.links.push_back({.link = endpoint.host_link,
                                   .mac = endpoint.mac,
                                   .ipv4 = endpoint.ipv4 ? endpoint.ipv4->address : IpAddress{},
                                   .ipv6 = endpoint.ipv6 ? endpoint.ipv6->address : IpAddress{}});
        }
        for (const PublishedPort& port : running.lease.ports) {
            const Endpoint* target = default_endpoint(running.lease, port.host_address.family);
            if (target != nullptr) {
                const auto& address = port.host_address.is_v6() ? target->ipv6 : target->ipv4;
                rules.forwardings.push_back({.protocol = port.protocol,
                                             .host_address = port.host_address,
                                             .host_port = port.host_port,
                                             .container_address = address->address,
                                             .container_port = port.container_port});
            }
        }
    }
    return rules;
}

void Networks::apply_rules(bool required) {
    try {
        firewall_.apply([this] { return rules(); });
        const std::lock_guard lock(mutex_);
        rules_applied_ = true;
    } catch (const std::exception& e) {
        warn(fmt::format(
            "no firewall: {}. Containers on bridges reach the host and each other only, "
            "networks are not kept apart, and no ports can be published; the kernel "
            "needs nf_tables with nat",
            e.what()));
        if (required) {
            throw SetupError(fmt::format("publishing ports: {}", e.what()), {}, kSetupFailed);
        }
    }
}

void Networks::run_reaper() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_reaper_.wait(lock, [&] { return ending_ || !retired_.empty(); });
        if (retired_.empty()) {
            return;
        }
        const std::deque<Retired> batch = std::exchange(retired_, {});
        const bool has_rules = rules_applied_;
        lock.unlock();
        // Rules first: nothing may be sent to an address that will soon be somebody else's. The
        // links mostly went with their containers' network namespaces.
        try {
            if (has_rules && std::ranges::any_of(batch, &Retired::published)) {
                apply_rules(false);
            }
            const RouteSocket socket;
            for (const Retired& one : batch) {
                unplug(socket, one.endpoint);
            }
        } catch (const std::exception& e) {
            fmt::print(stderr, "drydock-daemon: networks: {}\n", e.what());
        }
        lock.lock();
        for (const Retired& one : batch) {
            release(one.endpoint);
        }
    }
}

void Networks::connect(const Container& container, const std::string& name, int pid) {
    const UniqueFd network_namespace = network_of(pid);
    Network network;
    Endpoint endpoint;
    NetworkLease lease;
    IpAddress host_gateway;
    {
        const std::lock_guard lock(mutex_);
        network = found(name);
        Running& running = running_.at(container.id);
        std::size_t number = 0;
        for (const Endpoint& other : running.lease.endpoints) {
            number = std::max<std::size_t>(number, std::stoul(other.interface.substr(3)) + 1);
        }
        endpoint = take_endpoint(container, network,
                                 container.config.network.endpoints.at(network.name), number);
        running.lease.endpoints.push_back(endpoint);
        save_lease(container.id);
        lease = running.lease;
        host_gateway = found(kBridgeNetwork).pools.front().gateway;
    }
    try {
        ensure_bridge(network);
        {
            const std::lock_guard lock(here_mutex_);
            plug_in(here_, network_namespace.get(), {.endpoint = endpoint, .network = network});
        }
        set_default_routes(network_namespace.get(), lease, default_endpoint(lease, AF_INET),
                           default_endpoint(lease, AF_INET6));
        apply_rules(false);
        serve_names(container, lease, network_namespace.get());
        write_etc_files(containers_directory_ / container.id, container, lease, host_gateway);
    } catch (...) {
        disconnect(container, network.name, pid);
        throw;
    }
}

void Networks::disconnect(const Container& container, const std::string& name, int pid) {
    const UniqueFd network_namespace = network_of(pid);
    Endpoint gone;
    NetworkLease lease;
    IpAddress host_gateway;
    {
        const std::lock_guard lock(mutex_);
        const std::string network_id = found(name).id;
        auto& endpoints = running_.at(container.id).lease.endpoints;
        const auto mine = std::ranges::find(endpoints, network_id, &Endpoint::network_id);
        if (mine == endpoints.end()) {
            return;
        }
        gone = *mine;
        endpoints.erase(mine);
        save_lease(container.id);
        lease = running_.at(container.id).lease;
        host_gateway = found(kBridgeNetwork).pools.front().gateway;
    }
    {
        const std::lock_guard lock(here_mutex_);
        unplug(here_, gone);
    }
    {
        const std::lock_guard lock(mutex_);
        release(gone);
    }
    set_default_routes(network_namespace.get(), lease, default_endpoint(lease, AF_INET),
                       default_endpoint(lease, AF_INET6));
    apply_rules(false);
    write_etc_files(containers_directory_ / container.id, container, lease, host_gateway);
}

}  // namespace drydock
