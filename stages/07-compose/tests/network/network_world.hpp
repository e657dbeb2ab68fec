#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "01-chroot/check.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/network_namespace.hpp"

#include "testing/catch.hpp"

#include "api/test_daemon.hpp"

namespace drydock::testing {

/// A host of its own with a machine outside of it: 198.51.100.1 is the host's address, .2 the
/// outside's. The daemon runs in that host, so the real one is never touched.
class NetworkWorld {
  public:
    /// @param arguments more of the daemon's
    /// @param user whose daemon it is; 0: ours
    explicit NetworkWorld(const std::vector<std::string>& arguments = {}, unsigned user = 0) {
        const VisitedNetwork visit(host_.get());
        const RouteSocket here;
        NetlinkBatch batch;
        set_up(batch, 1);
        add_veth(batch, {.name = "uplink",
                         .peer_name = "eth0",
                         .peer_network = outside_.get(),
                         .peer_mac = {2, 0, 0, 0, 0, 2}});
        here.send(batch);
        NetlinkBatch more;
        add_link_address(more, link_index(here, "uplink"), *parse_subnet("198.51.100.1/24"));
        here.send(more);
        configure_outside();
        NetlinkBatch way;
        add_route(way, {.gateway = *parse_ip_address("198.51.100.2"),
                        .link = link_index(here, "uplink")});
        here.send(way);
        daemon_ = std::make_unique<TestDaemon>(arguments, user);
    }
    ~NetworkWorld() {
        const VisitedNetwork visit(host_.get());
        daemon_.reset();
    }
    NetworkWorld(const NetworkWorld&) = delete;
    NetworkWorld& operator=(const NetworkWorld&) = delete;
    NetworkWorld(NetworkWorld&&) = delete;
    NetworkWorld& operator=(NetworkWorld&&) = delete;

    [[nodiscard]] TestDaemon& daemon() { return *daemon_; }
    void restart_daemon(int signal) {
        const VisitedNetwork visit(host_.get());
        daemon_->end(signal);
        daemon_->start();
    }
    void kill_daemon() {
        const VisitedNetwork visit(host_.get());
        daemon_->end(SIGKILL);
    }
    void end_daemon() {
        const VisitedNetwork visit(host_.get());
        daemon_->end(SIGTERM);
    }
    void start_daemon() {
        const VisitedNetwork visit(host_.get());
        daemon_->start();
    }
    [[nodiscard]] const UniqueFd& host() const { return host_; }
    [[nodiscard]] const UniqueFd& outside() const { return outside_; }

    /// What `argv` prints in that network.
    static std::string print(const UniqueFd& network, const std::vector<std::string>& argv) {
        const VisitedNetwork visit(network.get());
        return run_program(argv).out;
    }

    /// What a connection from `network` to that address gives to read; "refused" or "silent" when
    /// there is none.
    static std::string fetch(const UniqueFd& network, const std::string& address, int port) {
        UniqueFd socket;
        {
            const VisitedNetwork visit(network.get());
            socket = UniqueFd(check(
                ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket()"));
        }
        sockaddr_in target{};
        target.sin_family = AF_INET;
        target.sin_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&target.sin_addr, parse_ip_address(address).value().bytes.data(), 4);
        const int rc =
            ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target));
        if (rc != 0 && errno != EINPROGRESS) {
            return "refused";
        }
        pollfd event{socket.get(), POLLIN, 0};
        if (::poll(&event, 1, 2000) != 1) {
            return "silent";
        }
        std::array<char, 256> buffer{};
        const auto size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        return size < 0 ? "refused" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

  private:
    void configure_outside() {
        const VisitedNetwork visit(outside_.get());
        const RouteSocket there;
        const int eth0 = link_index(there, "eth0");
        NetlinkBatch batch;
        set_up(batch, 1);
        set_up(batch, eth0);
        add_link_address(batch, eth0, *parse_subnet("198.51.100.2/24"));
        // So that it could reach containers, were they not protected.
        add_route(batch, {.destination = parse_subnet("172.16.0.0/12"),
                          .gateway = *parse_ip_address("198.51.100.1"),
                          .link = eth0});
        there.send(batch);
    }

    UniqueFd host_ = make_network_namespace();
    UniqueFd outside_ = make_network_namespace();
    std::unique_ptr<TestDaemon> daemon_{};
};

}  // namespace drydock::testing
