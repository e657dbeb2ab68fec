#include "07-compose/network/host_ports.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/proxy/socket_address.hpp"

namespace drydock {
namespace {

constexpr int kLastPort = 65535;
const IpAddress kEverywhere{.family = AF_INET};
const IpAddress kEverywhere6{.family = AF_INET6};

int parse_port(std::string_view text, const std::string& whole) {
    int port = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > kLastPort) {
        throw InputError(fmt::format(
            "invalid port specification: \"{}\": expected a port from 1 to {}, or a range of them",
            whole, kLastPort));
    }
    return port;
}

/// "", "0", "8080", "8000-8010".
std::pair<int, int> parse_range(const std::string& text) {
    if (text.empty()) {
        return {0, 0};
    }
    const auto dash = text.find('-');
    const int first = parse_port(std::string_view(text).substr(0, dash), text);
    const int last = dash == std::string::npos
                         ? first
                         : parse_port(std::string_view(text).substr(dash + 1), text);
    if (last < first) {
        throw InputError(fmt::format(
            "invalid port specification: \"{}\": the range ends before it begins", text));
    }
    return {first, last};
}

std::pair<int, int> ephemeral_range() {
    std::pair<int, int> range{32768, 60999};
    std::istringstream text(read_file("/proc/sys/net/ipv4/ip_local_port_range"));
    text >> range.first >> range.second;
    return range;
}

std::string host_place(const PublishedPort& port) {
    const std::string address = to_text(port.host_address);
    return fmt::format("{}:{}", port.host_address.is_v6() ? "[" + address + "]" : address,
                       port.host_port);
}

[[noreturn]] void refuse(const PublishedPort& port, int error) {
    // EADDRINUSE without a container of ours that has it: a program of the host does.
    const std::string why =
        error == 0 ? "port is already allocated" : std::generic_category().message(error);
    throw SetupError(fmt::format("Bind for {} failed: {}", host_place(port),
                                 error == EADDRINUSE ? "address already in use" : why),
                     std::error_code(error == 0 ? EADDRINUSE : error, std::generic_category()),
                     kSetupFailed);
}

bool same_address(const IpAddress& one, const IpAddress& other) {
    const auto any = [](const IpAddress& address) {
        return address == IpAddress{.family = address.family};
    };
    return one.family == other.family && (one == other || any(one) || any(other));
}

IpAddress binding_address(const std::string& text, const IpAddress& everywhere) {
    if (text.empty()) {
        return everywhere ? everywhere : kEverywhere;
    }
    const auto address = parse_ip_address(text);
    if (!address) {
        throw InputError(fmt::format("invalid IP address: {}", text));
    }
    return *address;
}

}  // namespace

std::pair<UniqueFd, int> bind_here(const PublishedPort& port) {
    const bool udp = port.protocol == "udp";
    const bool sctp = port.protocol == "sctp";
    UniqueFd socket(::socket(port.host_address.family,
                             (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             sctp ? IPPROTO_SCTP : 0));
    if (!socket) {
        // A kernel without SCTP sockets still forwards its packets.
        return {UniqueFd(), sctp ? 0 : errno};
    }
    const int on = 1;
    if (!udp) {
        // What an earlier listener's connections have left in TIME_WAIT is no reason to refuse.
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (port.host_address.is_v6()) {
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    const SocketAddress address = socket_address(port.host_address, port.host_port);
    const int rc = ::bind(socket.get(), address.get(), address.length);
    return {std::move(socket), rc == 0 ? 0 : errno};
}

ContainerPort parse_container_port(const std::string& text) {
    const auto slash = text.find('/');
    ContainerPort result{.port = parse_port(std::string_view(text).substr(0, slash), text),
                         .protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1)};
    if (result.port == 0) {
        throw InputError(fmt::format("invalid port specification: \"{}\"", text));
    }
    if (result.protocol != "tcp" && result.protocol != "udp" && result.protocol != "sctp") {
        throw InputError(
            fmt::format("invalid proto: {}: expected tcp, udp or sctp", result.protocol));
    }
    return result;
}

std::vector<PortRequest> port_requests(const NetworkSettings& settings,
                                       const std::vector<std::string>& exposed,
                                       const IpAddress& everywhere) {
    std::vector<PortRequest> requests;
    const bool is_everywhere = !everywhere || everywhere == kEverywhere;
    for (const auto& [text, bindings] : settings.ports) {
        const ContainerPort port = parse_container_port(text);
        for (const PortBinding& binding : bindings) {
            const auto [first, last] = parse_range(binding.host_port);
            requests.push_back({.protocol = port.protocol,
                                .container_port = port.port,
                                .host_address = binding_address(binding.host_ip, everywhere),
                                .any_family = binding.host_ip.empty() && is_everywhere,
                                .first = first,
                                .last = last});
        }
    }
    for (const std::string& text : exposed) {
        if (!settings.publish_all) {
            break;
        }
        const ContainerPort port = parse_container_port(text);
        const bool bound = std::ranges::any_of(requests, [&](const PortRequest& one) {
            return one.container_port == port.port && one.protocol == port.protocol;
        });
        if (!bound) {
            requests.push_back({.protocol = port.protocol,
                                .container_port = port.port,
                                .host_address = everywhere ? everywhere : kEverywhere,
                                .any_family = is_everywhere});
        }
    }
    return requests;
}

bool HostPorts::is_taken(const PublishedPort& port) const {
    return std::ranges::any_of(held_, [&](const Held& other) {
        return other.port.protocol == port.protocol && other.port.host_port == port.host_port &&
               same_address(other.port.host_address, port.host_address);
    });
}

bool HostPorts::hold(const std::string& owner, const PublishedPort& port, int& error) {
    error = 0;
    if (is_taken(port)) {
        return false;
    }
    auto [socket, failure] = bind_(port);
    error = failure;
    if (failure != 0) {
        return false;
    }
    held_.push_back({.owner = owner, .port = port, .socket = std::move(socket)});
    return true;
}

std::vector<PublishedPort> HostPorts::reserve_one(const std::string& owner,
                                                  const PortRequest& request) {
    PublishedPort port{.protocol = request.protocol,
                       .host_address = request.host_address,
                       .container_port = request.container_port};
    const bool ephemeral = request.first == 0;
    const auto [first, last] =
        ephemeral ? ephemeral_range() : std::pair(request.first, request.last);
    const int count = last - first + 1;
    int at =
        ephemeral && next_ephemeral_ >= first && next_ephemeral_ <= last ? next_ephemeral_ : first;
    int error = 0;
    for (int tried = 0; tried < count; ++tried, at = at == last ? first : at + 1) {
        port.host_port = at;
        if (hold(owner, port, error)) {
            std::vector<PublishedPort> both = {port};
            if (request.any_family && !hold_twin(owner, both, error)) {
                held_.pop_back();
                continue;
            }
            next_ephemeral_ = ephemeral ? at + 1 : next_ephemeral_;
            return both;
        }
        if (error != 0 && error != EADDRINUSE) {
            break;  // an address that is not the host's, say: no other port will do
        }
    }
    if (count > 1) {
        port.host_port = first;
    }
    refuse(port, error);
}

/// The same port of [::]. True as well when the host has no IPv6: then there is nothing to hold.
bool HostPorts::hold_twin(const std::string& owner, std::vector<PublishedPort>& ports, int& error) {
    PublishedPort twin = ports.front();
    twin.host_address = kEverywhere6;
    if (hold(owner, twin, error)) {
        ports.push_back(twin);
        return true;
    }
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

std::vector<PublishedPort> HostPorts::reserve(const std::string& owner,
                                              const std::vector<PortRequest>& requests) {
    std::vector<PublishedPort> ports;
    try {
        for (const PortRequest& request : requests) {
            std::ranges::move(reserve_one(owner, request), std::back_inserter(ports));
        }
    } catch (...) {
        release(owner);
        throw;
    }
    return ports;
}

void HostPorts::hold_again(const std::string& owner) {
    for (Held& one : held_) {
        if (one.owner == owner && !one.socket) {
            auto [socket, failure] = bind_(one.port);
            one.socket = failure == 0 ? std::move(socket) : UniqueFd();
        }
    }
}

UniqueFd HostPorts::socket_of(const std::string& owner, const PublishedPort& port) const {
    const auto found = std::ranges::find_if(
        held_, [&](const Held& one) { return one.owner == owner && one.port == port; });
    return found == held_.end() || !found->socket
               ? UniqueFd()
               : UniqueFd(check(::fcntl(found->socket.get(), F_DUPFD_CLOEXEC, 0),
                                "fcntl(F_DUPFD_CLOEXEC)"));
}

void HostPorts::adopt(const std::string& owner, const std::vector<PublishedPort>& ports) {
    for (const PublishedPort& port : ports) {
        auto [socket, failure] = bind_(port);
        held_.push_back({.owner = owner,
                         .port = port,
                         .socket = failure == 0 ? std::move(socket) : UniqueFd()});
    }
}

void HostPorts::release(const std::string& owner) {
    std::erase_if(held_, [&](const Held& one) { return one.owner == owner; });
}

}  // namespace drydock
