#include "07-compose/network/name_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "07-compose/network/etc_files.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kDnsPort = 53;
constexpr auto kPatience = 2s;                ///< with each server
constexpr std::size_t kMostPassed = 1024;     ///< questions under way, of all containers
constexpr std::size_t kMostConnections = 64;  ///< of one container
constexpr std::size_t kMostMessage = 65535;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress result;
    if (address.is_v6()) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof(v6.sin6_addr));
        result.length = sizeof(v6);
        std::memcpy(&result.storage, &v6, sizeof(v6));
    } else {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof(v4.sin_addr));
        result.length = sizeof(v4);
        std::memcpy(&result.storage, &v4, sizeof(v4));
    }
    return result;
}

/// A socket at 127.0.0.11:53 in the thread's network.
UniqueFd server_socket(int type) {
    UniqueFd socket(check(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                          "socket(AF_INET, {})", type));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const SocketAddress address = socket_address(*parse_ip_address(kNameServer), kDnsPort);
    check(::bind(socket.get(), address.get(), address.length), "bind({}:{})", kNameServer,
          kDnsPort);
    if (type == SOCK_STREAM) {
        check(::listen(socket.get(), SOMAXCONN), "listen({}:{})", kNameServer, kDnsPort);
    }
    return socket;
}

}  // namespace

NameServer::NameServer(NameSource source)
    : source_(std::move(source)),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1(EPOLL_CLOEXEC)")),
      stop_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)")) {
    watch(stop_.get());
    thread_ = std::thread([this] { run(); });
}

NameServer::~NameServer() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

void NameServer::watch(int socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event), "epoll_ctl(EPOLL_CTL_ADD)");
}

void NameServer::add(const std::string& container, int network_namespace) {
    const std::lock_guard lock(mutex_);
    const auto is_its_own = [&](const auto& one) { return one.second.container == container; };
    if (std::ranges::any_of(served_, is_its_own)) {
        return;
    }
    UniqueFd udp;
    UniqueFd tcp;
    {
        const VisitedNetwork visit(network_namespace);
        udp = server_socket(SOCK_DGRAM);
        tcp = server_socket(SOCK_STREAM);
    }
    for (auto* socket : {&udp, &tcp}) {
        const int fd = socket->get();
        served_[fd] = {.container = container,
                       .socket = std::move(*socket),
                       .kind = socket == &udp ? Served::Kind::Udp : Served::Kind::Listener};
        watch(fd);
    }
}

void NameServer::remove(const std::string& container) {
    const std::lock_guard lock(mutex_);
    std::erase_if(served_, [&](const auto& one) { return one.second.container == container; });
    std::erase_if(passed_, [&](const auto& one) { return one.second.container == container; });
}

void NameServer::run() {
    while (true) {
        std::array<epoll_event, 64> events{};
        const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 250);
        if (count < 0 && errno != EINTR) {
            return;
        }
        const std::lock_guard lock(mutex_);
        for (int i = 0; i < count; ++i) {
            const int socket = events.at(static_cast<std::size_t>(i)).data.fd;
            if (socket == stop_.get()) {
                return;
            }
            try {
                serve(socket);
            } catch (const std::exception& e) {
                fmt::print(stderr, "drydock-daemon: name server: {}\n", e.what());
                served_.erase(socket);
                passed_.erase(socket);
            }
        }
        expire();
    }
}

void NameServer::serve(int socket) {
    if (passed_.contains(socket)) {
        receive_answer(socket);
        return;
    }
    const auto found = served_.find(socket);
    if (found == served_.end()) {
        return;  // removed while the event was on its way
    }
    switch (found->second.kind) {
        case Served::Kind::Udp:
            receive_datagrams(found->second);
            break;
        case Served::Kind::Listener:
            accept_connection(found->second);
            break;
        case Served::Kind::Connection:
            receive_stream(socket);
            break;
    }
}

void NameServer::receive_datagrams(Served& served) {
    constexpr int kAtOnce = 32;  // others wait too
    for (int i = 0; i < kAtOnce; ++i) {
        Bytes query(kMostMessage);
        Bytes address(sizeof(sockaddr_in));
        socklen_t length = static_cast<socklen_t>(address.size());
        const auto size = ::recvfrom(served.socket.get(), query.data(), query.size(), 0,
                                     reinterpret_cast<sockaddr*>(address.data()), &length);
        if (size < 0) {
            return;
        }
        query.resize(static_cast<std::size_t>(size));
        answer(served.container, {.socket = served.socket.get(), .address = address},
               std::move(query));
    }
}

void NameServer::accept_connection(Served& listener) {
    UniqueFd socket(
        ::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const auto count = std::ranges::count_if(
        served_, [&](const auto& one) { return one.second.container == listener.container; });
    if (!socket || static_cast<std::size_t>(count) > kMostConnections) {
        return;
    }
    const int fd = socket.get();
    served_[fd] = {.container = listener.container,
                   .socket = std::move(socket),
                   .kind = Served::Kind::Connection};
    watch(fd);
}

void NameServer::receive_stream(int socket) {
    std::array<std::uint8_t, 4096> buffer{};
    const auto size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) {
            std::erase_if(passed_,
                          [&](const auto& one) { return one.second.asker.socket == socket; });
            served_.erase(socket);
        }
        return;
    }
    Served& served = served_.at(socket);
    Bytes& received = served.received;
    received.insert(received.end(), buffer.begin(), buffer.begin() + size);
    // Over TCP a message has its length, two bytes, before it (RFC 1035, 4.2.2).
    while (received.size() >= 2) {
        const std::size_t length = received[0] * std::size_t{256} + received[1];
        if (received.size() < 2 + length) {
            return;
        }
        Bytes query(received.begin() + 2,
                    received.begin() + 2 + static_cast<std::ptrdiff_t>(length));
        received.erase(received.begin(),
                       received.begin() + 2 + static_cast<std::ptrdiff_t>(length));
        answer(served.container, {.socket = socket}, std::move(query));
    }
}

void NameServer::answer(const std::string& container, const Asker& asker, Bytes query) {
    const auto question = parse_dns_question(query);
    if (!question) {
        reply(asker, dns_failure(query, DnsCode::FormatError), kMostMessage);
        return;
    }
    if (question->type == kDnsPtr) {
        const auto address = address_of_pointer_name(question->name);
        if (const std::string name = address ? source_.name(container, *address) : "";
            !name.empty()) {
            reply(asker, dns_pointer(query, name), question->most_bytes);
            return;
        }
    } else if (auto addresses = source_.addresses(container, question->name)) {
        // Any other type is answered as well: the name is there, and has nothing of that kind.
        reply(asker, dns_addresses(query, *addresses), question->most_bytes);
        return;
    }
    pass_on({.container = container,
             .asker = asker,
             .query = std::move(query),
             .servers = source_.servers(container)});
}

void NameServer::pass_on(Passed passed) {
    while (!passed.servers.empty() && passed_.size() < kMostPassed) {
        // A socket for each question: an answer can only come from whom it was sent to, to a port
        // that nobody else knows.
        const SocketAddress server = socket_address(passed.servers.front(), kDnsPort);
        passed.socket = UniqueFd(
            ::socket(server.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int fd = passed.socket.get();
        if (fd >= 0 && ::connect(fd, server.get(), server.length) == 0 &&
            ::send(fd, passed.query.data(), passed.query.size(), 0) >= 0) {
            passed.deadline = Clock::now() + kPatience;
            watch(fd);
            passed_[fd] = std::move(passed);
            return;
        }
        passed.servers.erase(passed.servers.begin());
    }
    reply(passed.asker, dns_failure(passed.query, DnsCode::ServerFailure), kMostMessage);
}

void NameServer::receive_answer(int socket) {
    Bytes bytes(kMostMessage);
    const auto size = ::recv(socket, bytes.data(), bytes.size(), 0);
    auto found = passed_.extract(socket);
    Passed& passed = found.mapped();
    constexpr std::ptrdiff_t kHeader = 12;
    if (size < kHeader || bytes[0] != passed.query[0] || bytes[1] != passed.query[1]) {
        passed.servers.erase(passed.servers.begin());
        pass_on(std::move(passed));
        return;
    }
    bytes.resize(static_cast<std::size_t>(size));
    reply(passed.asker, bytes, kMostMessage);
}

void NameServer::expire() {
    std::vector<Passed> late;
    for (auto one = passed_.begin(); one != passed_.end();) {
        if (one->second.deadline <= Clock::now()) {
            late.push_back(std::move(one->second));
            one = passed_.erase(one);
        } else {
            ++one;
        }
    }
    for (Passed& one : late) {
        one.servers.erase(one.servers.begin());
        pass_on(std::move(one));
    }
}

void NameServer::reply(const Asker& asker, const Bytes& bytes, std::size_t most_bytes) {
    if (bytes.empty()) {
        return;
    }
    if (!asker.address.empty()) {
        Bytes datagram = bytes;
        if (datagram.size() > most_bytes) {
            // Too long for a datagram: the header alone, and "truncated", so it asks over TCP.
            constexpr std::size_t kHeader = 12;
            datagram.resize(kHeader);
            datagram[2] |= 0x02U;
            std::fill(datagram.begin() + 4, datagram.end(), std::uint8_t{0});
        }
        ::sendto(asker.socket, datagram.data(), datagram.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(asker.address.data()),
                 static_cast<socklen_t>(asker.address.size()));
        return;
    }
    Bytes message = {static_cast<std::uint8_t>(bytes.size() >> 8U),
                     static_cast<std::uint8_t>(bytes.size())};
    message.insert(message.end(), bytes.begin(), bytes.end());
    // Who does not take its answers gets no more of them: nobody waits here.
    ::send(asker.socket, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace drydock
