#include "07-compose/names/name_server.hpp"

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
#include "07-compose/proxy/socket_address.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kDnsPort = 53;
constexpr auto kPatience = 2s;                ///< with each server
constexpr std::size_t kMostPassed = 1024;     ///< questions under way, of all containers
constexpr std::size_t kMostConnections = 64;  ///< of one container
constexpr std::size_t kMostMessage = 65535;
constexpr std::ptrdiff_t kDnsHeader = 12;
constexpr auto kIdle = 10s;  ///< then a connection that asks nothing is closed

/// As over TCP: with its length, two bytes, before it (RFC 1035, 4.2.2).
Bytes with_length(const Bytes& message) {
    Bytes bytes = {static_cast<std::uint8_t>(message.size() >> 8U),
                   static_cast<std::uint8_t>(message.size())};
    bytes.insert(bytes.end(), message.begin(), message.end());
    return bytes;
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

void NameServer::watch(int socket, bool writable) {
    epoll_event event{};
    event.events = writable ? EPOLLOUT : EPOLLIN;
    event.data.fd = socket;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) == -1) {
        check(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket, &event), "epoll_ctl({})", socket);
    }
}

void NameServer::add(const std::string& container, UniqueFd udp, UniqueFd tcp) {
    remove(container);
    const std::lock_guard lock(mutex_);
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
                fmt::print(stderr, "drydock-names: {}\n", e.what());
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
                   .kind = Served::Kind::Connection,
                   .last = Clock::now()};
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
    served.last = Clock::now();
    Bytes& received = served.received;
    received.insert(received.end(), buffer.begin(), buffer.begin() + size);
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
    const bool stream = passed.asker.address.empty();
    while (!passed.servers.empty() && passed_.size() < kMostPassed) {
        // A socket for each question: an answer can only come from whom it was sent to, to a port
        // that nobody else knows.
        const SocketAddress server = socket_address(passed.servers.front(), kDnsPort);
        passed.socket = UniqueFd(
            ::socket(server.storage.ss_family,
                     (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int fd = passed.socket.get();
        const bool connects = fd >= 0 && (::connect(fd, server.get(), server.length) == 0 ||
                                          (stream && errno == EINPROGRESS));
        if (connects && (stream || ::send(fd, passed.query.data(), passed.query.size(), 0) >= 0)) {
            passed.deadline = Clock::now() + kPatience;
            passed.connecting = stream;
            passed.received.clear();
            watch(fd, stream);
            passed_[fd] = std::move(passed);
            return;
        }
        passed.servers.erase(passed.servers.begin());
    }
    reply(passed.asker, dns_failure(passed.query, DnsCode::ServerFailure), kMostMessage);
}

void NameServer::try_next(int socket) {
    auto found = passed_.extract(socket);
    Passed& passed = found.mapped();
    passed.servers.erase(passed.servers.begin());
    pass_on(std::move(passed));
}

void NameServer::receive_answer(int socket) {
    Passed& waiting = passed_.at(socket);
    if (waiting.asker.address.empty()) {
        receive_answer_over_tcp(socket);
        return;
    }
    Bytes bytes(kMostMessage);
    const auto size = ::recv(socket, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) {
        return;
    }
    if (size < kDnsHeader || bytes[0] != waiting.query[0] || bytes[1] != waiting.query[1]) {
        try_next(socket);
        return;
    }
    bytes.resize(static_cast<std::size_t>(size));
    reply(waiting.asker, bytes, kMostMessage);
    passed_.erase(socket);
}

void NameServer::receive_answer_over_tcp(int socket) {
    Passed& waiting = passed_.at(socket);
    if (waiting.connecting) {
        const Bytes question = with_length(waiting.query);
        // A new connection takes this much at once, or it is none.
        if (::send(socket, question.data(), question.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(question.size())) {
            try_next(socket);
            return;
        }
        waiting.connecting = false;
        watch(socket);
        return;
    }
    std::array<std::uint8_t, 16384> buffer{};
    const auto size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) {
            try_next(socket);
        }
        return;
    }
    Bytes& received = waiting.received;
    received.insert(received.end(), buffer.begin(), buffer.begin() + size);
    const std::size_t length =
        received.size() < 2 ? kMostMessage : received[0] * std::size_t{256} + received[1];
    if (received.size() < 2 + length) {
        return;
    }
    if (length < kDnsHeader || received[2] != waiting.query[0] || received[3] != waiting.query[1]) {
        try_next(socket);
        return;
    }
    reply(waiting.asker,
          Bytes(received.begin() + 2, received.begin() + 2 + static_cast<std::ptrdiff_t>(length)),
          kMostMessage);
    passed_.erase(socket);
}

void NameServer::expire() {
    std::vector<int> idle;
    for (const auto& [socket, served] : served_) {
        if (served.kind == Served::Kind::Connection && served.last + kIdle <= Clock::now()) {
            idle.push_back(socket);
        }
    }
    for (const int socket : idle) {
        std::erase_if(passed_, [&](const auto& one) { return one.second.asker.socket == socket; });
        served_.erase(socket);
    }
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
            datagram.resize(kDnsHeader);
            datagram[2] |= 0x02U;
            std::fill(datagram.begin() + 4, datagram.end(), std::uint8_t{0});
        }
        ::sendto(asker.socket, datagram.data(), datagram.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(asker.address.data()),
                 static_cast<socklen_t>(asker.address.size()));
        return;
    }
    const Bytes message = with_length(bytes);
    // Who does not take its answers gets no more of them: nobody waits here.
    ::send(asker.socket, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace drydock
