// Who is called what: the name server's answers, from what containers have of networks.
#include <algorithm>
#include <atomic>

#include "01-chroot/file.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock {
namespace {

std::string in_lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return text;
}

bool is_called(const Endpoint& endpoint, const std::string& name) {
    return std::ranges::any_of(endpoint.names, [&](const std::string& one) {
        const std::string own = in_lower_case(one);
        return name == own || name == own + "." + in_lower_case(endpoint.network_name);
    });
}

/// Whom the container itself calls `name` in that network; `name` when nobody especially.
std::string linked_name(const NetworkLease& lease, const std::string& network_id,
                        const std::string& name) {
    for (const Endpoint& endpoint : lease.endpoints) {
        for (const std::string& link : endpoint.links) {
            const auto colon = link.find(':');
            if (endpoint.network_id == network_id && colon != std::string::npos &&
                in_lower_case(link.substr(colon + 1)) == name) {
                return in_lower_case(link.substr(0, colon));
            }
        }
    }
    return name;
}

/// Whether one is in a network in which containers find each other by name, and the other too.
bool share(const NetworkLease& lease, const std::string& network_id) {
    return std::ranges::any_of(lease.endpoints, [&](const Endpoint& endpoint) {
        return endpoint.network_id == network_id && has_names(endpoint.network_name);
    });
}

std::vector<IpAddress> servers_of_host() {
    std::vector<IpAddress> servers;
    try {
        for (const std::string& text : parse_resolv_conf(read_file("/etc/resolv.conf")).servers) {
            if (const auto address = parse_ip_address(text)) {
                servers.push_back(*address);
            }
        }
    } catch (const std::exception&) {
        servers.clear();  // a host without resolv.conf asks nobody
    }
    return servers;
}

}  // namespace

NameSource Networks::name_source() const {
    // Calls `see` with every endpoint in a network that the container is in, and with its own
    // lease.
    const auto each_seen = [this](const std::string& container, const auto& see) {
        const std::lock_guard lock(mutex_);
        const auto asker = running_.find(container);
        if (asker == running_.end()) {
            return;
        }
        for (const auto& [id, running] : running_) {
            for (const Endpoint& endpoint : running.lease.endpoints) {
                if (share(asker->second.lease, endpoint.network_id)) {
                    see(endpoint, asker->second.lease);
                }
            }
        }
    };
    const auto addresses = [each_seen](
                               const std::string& container,
                               const std::string& name) -> std::optional<std::vector<IpAddress>> {
        static std::atomic<std::size_t> turn = 0;
        std::vector<IpAddress> found;
        each_seen(container, [&](const Endpoint& endpoint, const NetworkLease& own) {
            if (is_called(endpoint, linked_name(own, endpoint.network_id, name))) {
                for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
                    if (address) {
                        found.push_back(address->address);
                    }
                }
            }
        });
        if (found.empty()) {
            return std::nullopt;
        }
        // Each time another one is the first, so that several containers share the work.
        std::ranges::rotate(found,
                            found.begin() + static_cast<std::ptrdiff_t>(turn++ % found.size()));
        return found;
    };
    const auto name = [each_seen](const std::string& container, const IpAddress& address) {
        std::string found;
        each_seen(container, [&](const Endpoint& endpoint, const NetworkLease& /*own*/) {
            const bool is_it = (endpoint.ipv4 && endpoint.ipv4->address == address) ||
                               (endpoint.ipv6 && endpoint.ipv6->address == address);
            if (is_it && !endpoint.names.empty()) {
                found = endpoint.names.front() + "." + endpoint.network_name;
            }
        });
        return found;
    };
    const auto servers = [this](const std::string& container) -> std::vector<IpAddress> {
        {
            const std::lock_guard lock(mutex_);
            const auto asker = running_.find(container);
            // In an internal network no question leaves either (CVE-2024-29018).
            if (asker == running_.end() ||
                (default_endpoint(asker->second.lease, AF_INET) == nullptr &&
                 default_endpoint(asker->second.lease, AF_INET6) == nullptr)) {
                return {};
            }
            if (!asker->second.name_servers.empty()) {
                return asker->second.name_servers;
            }
        }
        return servers_of_host();
    };
    return {.addresses = addresses, .name = name, .servers = servers};
}

void Networks::serve_names(const Container& container, const NetworkLease& lease,
                           int network_namespace) {
    if (std::ranges::any_of(lease.endpoints, [](const Endpoint& endpoint) {
            return has_names(endpoint.network_name);
        })) {
        names_.add(container.id, network_namespace);
    }
}

}  // namespace drydock
