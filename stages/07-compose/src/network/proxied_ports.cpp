// Published ports that a process passes on, because the kernel cannot.
#include "07-compose/network/proxied_ports.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "07-compose/network/networks.hpp"
#include "07-compose/network/proxy_process.hpp"

namespace drydock {
namespace {

/// Whether nftables gets packets for that address of the host to the container.
bool kernel_reaches(const IpAddress& host, bool container_has_v6) {
    const IpAddress loopback6 = *parse_ip_address("::1");
    const bool any6 = host == IpAddress{.family = AF_INET6};
    return !host.is_v6() || (container_has_v6 && !any6 && host != loopback6);
}

}  // namespace

std::vector<ProxiedBinding> proxied_ports(const NetworkLease& lease, bool kernel_forwards) {
    std::vector<ProxiedBinding> bindings;
    const Endpoint* v4 = default_endpoint(lease, AF_INET);
    const Endpoint* v6 = default_endpoint(lease, AF_INET6);
    for (const PublishedPort& port : lease.ports) {
        if (kernel_forwards && kernel_reaches(port.host_address, v6 != nullptr)) {
            continue;
        }
        if (port.host_address.is_v6() && v6 != nullptr) {
            bindings.push_back({port, v6->ipv6->address});
        } else if (v4 != nullptr) {
            bindings.push_back({port, v4->ipv4->address});
        }
    }
    return bindings;
}

void Networks::start_proxy_of(const std::string& container_id) {
    std::vector<ProxiedPort> ports;
    bool lacks_sctp = false;
    {
        const std::lock_guard lock(mutex_);
        Running& running = running_.at(container_id);
        running.proxied = proxied_ports(running.lease, kernel_forwards_ && !ports_elsewhere_);
        ports_.hold_again(container_id);
        for (const ProxiedBinding& one : running.proxied) {
            UniqueFd socket = ports_.socket_of(container_id, one.port);
            lacks_sctp = lacks_sctp || (!socket && one.port.protocol == "sctp");
            if (socket) {
                ports.push_back({.target = {.protocol = one.port.protocol,
                                            .address = one.target,
                                            .port = one.port.container_port},
                                 .socket = std::move(socket)});
            }
        }
    }
    if (lacks_sctp) {
        warn(
            "this kernel has no SCTP sockets: published sctp ports are reached by IPv4 and NAT "
            "only, not at [::1]");
    }
    if (ports.empty()) {
        return;
    }
    ProxyProcess proxy = start_proxy(ports);
    const std::lock_guard lock(mutex_);
    Running& running = running_.at(container_id);
    running.lease.proxy = proxy.process;
    running.proxy_control = std::move(proxy.control);
    save_lease(container_id);
}

void Networks::tie_proxy(const std::string& container_id, int pidfd) {
    ProxyProcess proxy;
    {
        const std::lock_guard lock(mutex_);
        const auto one = running_.find(container_id);
        if (one == running_.end() || !one->second.proxy_control) {
            return;
        }
        proxy.control = std::move(one->second.proxy_control);
    }
    try {
        tie_proxy_to(proxy, pidfd);
    } catch (const std::system_error& e) {
        warn(fmt::format("the proxy of published ports has ended: {}", e.what()));
    }
}

void Networks::renew_proxy(const std::string& container_id, int pidfd) {
    ProcessIdentity old;
    {
        const std::lock_guard lock(mutex_);
        Running& running = running_.at(container_id);
        const std::vector<ProxiedBinding> wanted =
            proxied_ports(running.lease, kernel_forwards_ && !ports_elsewhere_);
        if (wanted == running.proxied && (wanted.empty() || alive(running.lease.proxy))) {
            return;
        }
        old = std::exchange(running.lease.proxy, {});
    }
    end_proxy(old);
    start_proxy_of(container_id);
    tie_proxy(container_id, pidfd);
}

void Networks::renew_proxies() {
    std::vector<std::pair<std::string, int>> adopted;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, running] : running_) {
            if (running.pid != 0 && !running.lease.ports.empty()) {
                adopted.emplace_back(id, running.pid);
            }
        }
    }
    for (const auto& [id, pid] : adopted) {
        try {
            const UniqueFd pidfd(
                static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open({})", pid)));
            renew_proxy(id, pidfd.get());
        } catch (const std::exception& e) {
            warn(fmt::format("container {}: its published ports at IPv6 addresses: {}",
                             id.substr(0, 12), e.what()));
        }
    }
}

}  // namespace drydock
