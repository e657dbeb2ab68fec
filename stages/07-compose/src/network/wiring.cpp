// Containers come onto their networks and leave them: namespace, cable, rules, names, ports, files.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "07-compose/network/bridge.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/networks.hpp"
#include "07-compose/network/proxy_process.hpp"

#include "network/lease_file.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

/// What the file says; nothing when there is none, or none that can be read.
NetworkLease lease_left_in(const fs::path& file) {
    try {
        return lease_from_json(read_file(file), file.native());
    } catch (const std::exception&) {
        return {};
    }
}

UniqueFd pidfd_of_process(int pid) {
    return UniqueFd(
        static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open({})", pid)));
}

}  // namespace

fs::path Networks::network_path(const std::string& container_id) const {
    return run_root_ / "netns" / container_id;
}

void Networks::link_network_path(const std::string& container_id, const std::string& target) const {
    const fs::path path = network_path(container_id);
    static_cast<void>(::unlink(path.c_str()));
    check(::symlink(target.c_str(), path.c_str()), "symlink({}, {})", target, path.native());
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
    if (mode.starts_with("container:")) {
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
        serve_names(container.id, network.get());
        apply_rules();
        start_proxy_of(container.id);
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

void Networks::started(const std::string& container_id, int pid, int pidfd) {
    static_cast<void>(::unlink(network_path(container_id).c_str()));
    tie_proxy(container_id, pidfd);
    names_live(container_id, pidfd);
    const std::lock_guard lock(mutex_);
    if (const auto one = running_.find(container_id); one != running_.end()) {
        one->second.network_namespace = UniqueFd();
        one->second.pid = pid;
    }
}

void Networks::stop(const std::string& container_id) {
    static_cast<void>(::unlink(network_path(container_id).c_str()));
    drop_names(container_id);
    end_proxy(lease_of(container_id).value_or(NetworkLease{}).proxy);
    const fs::path file = containers_directory_ / container_id / kLeaseFile;
    {
        const std::lock_guard lock(mutex_);
        NetworkLease lease;
        if (const auto one = running_.find(container_id); one != running_.end()) {
            ports_.release(container_id);
            lease = std::move(one->second.lease);
            running_.erase(one);
        } else {
            // One that ended while no daemon ran: its links mostly went with it, but somebody may
            // hold its network namespace.
            lease = lease_left_in(file);
            for (const Endpoint& endpoint : lease.endpoints) {
                for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
                    if (address) {
                        leases_[endpoint.network_id].insert(address->address);
                    }
                }
            }
        }
        for (Endpoint& endpoint : lease.endpoints) {
            retired_.push_back(
                {.endpoint = std::move(endpoint), .published = !lease.ports.empty()});
        }
    }
    static_cast<void>(::unlink(file.c_str()));
    wake_reaper_.notify_all();
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
                apply_rules();
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
    const UniqueFd network_namespace = network_of_process(pid);
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
        apply_rules();
        renew_proxy(container.id, pidfd_of_process(pid).get());
        serve_names(container.id, network_namespace.get());
        write_etc_files(containers_directory_ / container.id, container, lease, host_gateway);
    } catch (...) {
        disconnect(container, network.name, pid);
        throw;
    }
}

void Networks::disconnect(const Container& container, const std::string& name, int pid) {
    const UniqueFd network_namespace = network_of_process(pid);
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
    apply_rules();
    renew_proxy(container.id, pidfd_of_process(pid).get());
    serve_names(container.id, -1);
    write_etc_files(containers_directory_ / container.id, container, lease, host_gateway);
}

}  // namespace drydock
