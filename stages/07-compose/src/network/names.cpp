// What drydock-names is told of containers.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "07-compose/names/name_book.hpp"
#include "07-compose/network/bridge.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/names_process.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock {
namespace {

NamedContainer named(const NetworkLease& lease, const std::vector<IpAddress>& servers) {
    NamedContainer container{.asks_outside = default_endpoint(lease, AF_INET) != nullptr ||
                                             default_endpoint(lease, AF_INET6) != nullptr,
                             .servers = servers};
    for (const Endpoint& endpoint : lease.endpoints) {
        if (!has_names(endpoint.network_name)) {
            continue;
        }
        NamedPlace place{.network_id = endpoint.network_id,
                         .network_name = endpoint.network_name,
                         .names = endpoint.names,
                         .links = endpoint.links};
        for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
            if (address) {
                place.addresses.push_back(address->address);
            }
        }
        container.places.push_back(std::move(place));
    }
    return container;
}

}  // namespace

void Networks::serve_names(const std::string& container_id, int network_namespace) {
    NamedContainer container;
    {
        const std::lock_guard lock(mutex_);
        Running& running = running_.at(container_id);
        container = named(running.lease, running.name_servers);
        if (container.places.empty() && !running.named) {
            return;  // nobody calls it by name, and nobody did
        }
        running.named = true;
    }
    const std::string message = fmt::format("put {} {}", container_id, to_json(container));
    const auto sockets = network_namespace < 0 ? std::nullopt : name_sockets(network_namespace);
    const bool is_new =
        sockets ? names_->tell(message, std::array{sockets->first.get(), sockets->second.get()})
                : names_->tell(message);
    if (is_new) {
        tell_all_names(container_id);
    }
}

void Networks::names_live(const std::string& container_id, int pidfd) {
    {
        const std::lock_guard lock(mutex_);
        const auto one = running_.find(container_id);
        if (one == running_.end() || !one->second.named) {
            return;
        }
    }
    names_->tell("life " + container_id, std::array{pidfd});
}

/// A new process knows only of `but`: it hears of everybody else that runs.
void Networks::tell_all_names(const std::string& but) {
    std::vector<std::pair<std::string, int>> others;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, running] : running_) {
            if (running.named && running.pid != 0 && id != but) {
                others.emplace_back(id, running.pid);
            }
        }
    }
    for (const auto& [id, pid] : others) {
        try {
            const UniqueFd pidfd(
                static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open({})", pid)));
            serve_names(id, network_of_process(pid).get());
            names_live(id, pidfd.get());
        } catch (const std::exception& e) {
            warn(fmt::format("container {}: no names any more: {}", id.substr(0, 12), e.what()));
        }
    }
}

void Networks::drop_names(const std::string& container_id) noexcept {
    try {
        {
            const std::lock_guard lock(mutex_);
            const auto one = running_.find(container_id);
            if (one == running_.end() || !one->second.named) {
                return;
            }
            one->second.named = false;
        }
        names_->tell("drop " + container_id);
    } catch (const std::exception& e) {
        fmt::print(stderr, "drydock-daemon: names: {}\n", e.what());
    }
}

}  // namespace drydock
