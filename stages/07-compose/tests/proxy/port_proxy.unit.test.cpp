#include "07-compose/proxy/port_proxy.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "01-chroot/check.hpp"
#include "07-compose/proxy/datagram_relay.hpp"
#include "07-compose/proxy/socket_address.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::check;
using drydock::IpAddress;
using drydock::parse_ip_address;
using drydock::ProxyTarget;
using drydock::SocketAddress;
using drydock::UniqueFd;

const IpAddress kHere = *parse_ip_address("127.0.0.1");

UniqueFd bound(int type, const IpAddress& address = kHere) {
    UniqueFd socket(check(::socket(address.family, type | SOCK_CLOEXEC, 0), "socket()"));
    const SocketAddress any = drydock::socket_address(address, 0);
    check(::bind(socket.get(), any.get(), any.length), "bind()");
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return socket;
}

int port_of(const UniqueFd& socket) {
    SocketAddress own{.length = sizeof(sockaddr_storage)};
    check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own.storage), &own.length),
          "getsockname()");
    return ntohs(reinterpret_cast<const sockaddr_in*>(&own.storage)->sin_port);
}

UniqueFd connected(int type, int port, const IpAddress& address = kHere) {
    UniqueFd socket = bound(type, address);
    const SocketAddress target = drydock::socket_address(address, port);
    check(::connect(socket.get(), target.get(), target.length), "connect({})", port);
    return socket;
}

/// What comes until the other side has nothing more to say; "reset" when it breaks.
std::string all_of(const UniqueFd& socket) {
    std::string text;
    std::array<char, 65536> buffer{};
    while (true) {
        const auto size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0) {
            return errno == ECONNRESET ? "reset" : "silent";
        }
        if (size == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

/// A proxy in a thread, for one target of ours; ends when it goes out of scope.
class Proxy {
  public:
    explicit Proxy(int type, const IpAddress& outside = kHere)
        : target_(bound(type)), front_(bound(type, outside)), port_(port_of(front_)) {
        if (type == SOCK_STREAM) {
            check(::listen(target_.get(), 16), "listen()");
        }
        std::array<int, 2> pair{};
        check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair()");
        control_ = UniqueFd(pair[0]);
        drydock::tell_proxy(control_.get(),
                            drydock::to_message({.protocol = type == SOCK_STREAM ? "tcp" : "udp",
                                                 .address = kHere,
                                                 .port = port_of(target_)}),
                            front_.get());
        thread_ =
            std::thread([its_end = pair[1]]() { drydock::run_port_proxy(UniqueFd(its_end)); });
        drydock::tell_proxy(control_.get(), drydock::kProxyLife, life_.get());
        front_ = UniqueFd();
        if (type == SOCK_STREAM) {
            wait_until_it_listens(outside);
        }
    }
    ~Proxy() {
        ::eventfd_write(life_.get(), 1);
        thread_.join();
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    Proxy(Proxy&&) = delete;
    Proxy& operator=(Proxy&&) = delete;

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] const UniqueFd& target() const { return target_; }
    [[nodiscard]] UniqueFd accept() const {
        UniqueFd socket(
            check(::accept4(target_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept()"));
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        return socket;
    }
    void daemon_dies() { control_ = UniqueFd(); }

  private:
    void wait_until_it_listens(const IpAddress& outside) {
        for (int i = 0; i < 1000; ++i) {
            try {
                connected(SOCK_STREAM, port_, outside);
                all_of(accept());
                return;
            } catch (const std::system_error&) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        }
    }

    UniqueFd target_;
    UniqueFd front_;
    int port_;
    UniqueFd life_{::eventfd(0, EFD_CLOEXEC)};
    UniqueFd control_{};
    std::thread thread_{};
};

TEST_CASE("port proxy: its messages say what was meant, and nothing else is one", "[07][proxy]") {
    const ProxyTarget target{
        .protocol = "sctp", .address = *parse_ip_address("fd00::2"), .port = 65535};
    CHECK(drydock::parse_proxy_target(to_message(target)) == target);
    for (const char* text :
         {"", " ", "tcp", "tcp 127.0.0.1", "tcp 127.0.0.1 0", "tcp 127.0.0.1 65536", "tcp  80",
          "icmp 127.0.0.1 80", "tcp 127.0.0.1 80x", "tcp 127.0.0.1 -1", "tcp localhost 80",
          "tcp 127.0.0.1 80 80"}) {
        INFO(text);
        CHECK(!drydock::parse_proxy_target(text));
    }
}

TEST_CASE("port proxy: the end of one direction is not the end of the other", "[07][proxy]") {
    const Proxy proxy(SOCK_STREAM);
    const UniqueFd client = connected(SOCK_STREAM, proxy.port());
    const UniqueFd server = proxy.accept();
    CHECK(::send(client.get(), "question", 8, 0) == 8);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(all_of(server) == "question");
    CHECK(::send(server.get(), "answer", 6, 0) == 6);
    ::shutdown(server.get(), SHUT_WR);
    CHECK(all_of(client) == "answer");
}

TEST_CASE("port proxy: who does not read holds the other up, and nothing is lost", "[07][proxy]") {
    const Proxy proxy(SOCK_STREAM);
    const UniqueFd client = connected(SOCK_STREAM, proxy.port());
    const UniqueFd server = proxy.accept();
    std::string sent;
    for (int i = 0; sent.size() < (std::size_t{24} << 20U); ++i) {
        sent += std::to_string(i) + ' ';
    }
    std::thread writer([&] {
        for (std::size_t at = 0; at < sent.size();) {
            const auto size = ::send(server.get(), sent.data() + at, sent.size() - at, 0);
            if (size <= 0) {
                break;
            }
            at += static_cast<std::size_t>(size);
        }
        ::shutdown(server.get(), SHUT_WR);
    });
    // Its socket buffers are full long before all of it is sent.
    pollfd full{server.get(), POLLOUT, 0};
    while (::poll(&full, 1, 100) == 1) {
        full.revents = 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(all_of(client) == sent);
    writer.join();
}

TEST_CASE("port proxy: a connection that breaks, or that nobody takes, breaks for the other too",
          "[07][proxy]") {
    const Proxy proxy(SOCK_STREAM);
    {
        const UniqueFd client = connected(SOCK_STREAM, proxy.port());
        UniqueFd server = proxy.accept();
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(server.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        server = UniqueFd();
        CHECK(all_of(client) == "reset");
    }
    ::shutdown(proxy.target().get(), SHUT_RDWR);  // a listener that is shut down refuses
    CHECK(all_of(connected(SOCK_STREAM, proxy.port())) == "reset");
}

TEST_CASE("port proxy: datagrams come back to who asked, from the address that was asked",
          "[07][proxy]") {
    const Proxy proxy(SOCK_DGRAM, *parse_ip_address("0.0.0.0"));
    const std::array<UniqueFd, 2> clients = {
        connected(SOCK_DGRAM, proxy.port(), *parse_ip_address("127.0.0.1")),
        connected(SOCK_DGRAM, proxy.port(), *parse_ip_address("127.0.0.7"))};
    for (const UniqueFd& client : clients) {
        const std::string question = "from " + std::to_string(port_of(client));
        CHECK(::send(client.get(), question.data(), question.size(), 0) > 0);
        std::array<char, 64> buffer{};
        SocketAddress from{.length = sizeof(sockaddr_storage)};
        const auto size = ::recvfrom(proxy.target().get(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from.storage), &from.length);
        CHECK(std::string(buffer.data(), static_cast<std::size_t>(size)) == question);
        CHECK(::sendto(proxy.target().get(), "back", 4, 0, from.get(), from.length) == 4);
        // Its socket is connected: an answer from another address would not get here.
        CHECK(::recv(client.get(), buffer.data(), buffer.size(), 0) == 4);
    }
}

TEST_CASE("port proxy: goes on without the daemon once it is tied to a life", "[07][proxy]") {
    Proxy proxy(SOCK_STREAM);
    proxy.daemon_dies();
    const UniqueFd client = connected(SOCK_STREAM, proxy.port());
    const UniqueFd server = proxy.accept();
    CHECK(::send(client.get(), "x", 1, 0) == 1);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(all_of(server) == "x");
}

TEST_CASE("port proxy: ends when the daemon hangs up before there is a life", "[07][proxy]") {
    std::array<int, 2> pair{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair()");
    UniqueFd ours(pair[0]);
    std::thread thread([&] { drydock::run_port_proxy(UniqueFd(pair[1])); });
    ours = UniqueFd();
    thread.join();
    SUCCEED("it ended");
}

TEST_CASE("datagram relay: forgets who is silent", "[07][proxy]") {
    drydock::WatchList watched;
    drydock::DatagramRelay relay(watched);
    UniqueFd front = bound(SOCK_DGRAM);
    const UniqueFd target = bound(SOCK_DGRAM);
    const int port = port_of(front);
    relay.add(std::move(front), kHere, port_of(target));
    const auto serve_one = [&] {
        epoll_event event{};
        CHECK(::epoll_wait(watched.fd(), &event, 1, 10'000) == 1);
        return relay.serve(event.data.u64);
    };
    std::vector<UniqueFd> clients;
    for (std::size_t i = 0; i < 3; ++i) {
        clients.push_back(connected(SOCK_DGRAM, port));
        CHECK(::send(clients.back().get(), "x", 1, 0) == 1);
        CHECK(serve_one());
    }
    CHECK(relay.senders() == 3);
    relay.tick(drydock::DatagramRelay::Clock::now());
    CHECK(relay.senders() == 3);
    relay.tick(drydock::DatagramRelay::Clock::now() + drydock::DatagramRelay::kPatience * 2);
    CHECK(relay.senders() == 0);
}

}  // namespace
