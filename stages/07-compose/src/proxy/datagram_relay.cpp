#include "07-compose/proxy/datagram_relay.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace drydock {
namespace {

constexpr int kDatagramsAtOnce = 32;  // others wait too

/// The control message that makes an answer leave from the address that `message` came to.
std::vector<std::uint8_t> answer_from(msghdr& message) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(one), sizeof(info));
            info.ipi_ifindex = 0;  // the route decides
            info.ipi_spec_dst = info.ipi_addr;
            std::memcpy(CMSG_DATA(one), &info, sizeof(info));
        } else if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(one), sizeof(info));
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
                info.ipi6_ifindex = 0;
            }
            std::memcpy(CMSG_DATA(one), &info, sizeof(info));
        } else {
            continue;
        }
        const auto* begin = reinterpret_cast<const std::uint8_t*>(one);
        std::vector<std::uint8_t> control(CMSG_ALIGN(one->cmsg_len));
        std::copy_n(begin, one->cmsg_len, control.begin());
        return control;
    }
    return {};
}

}  // namespace

void DatagramRelay::add(UniqueFd socket, const IpAddress& target, int port) {
    const int on = 1;
    // Only one of the two is of the socket's family.
    ::setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    const WatchKey key = watched_.add(socket.get(), EPOLLIN);
    ports_[key] = {.socket = std::move(socket), .target = socket_address(target, port)};
}

bool DatagramRelay::serve(WatchKey key) {
    if (const auto port = ports_.find(key); port != ports_.end()) {
        receive(key, port->second);
        return true;
    }
    const auto sender = senders_.find(key);
    if (sender == senders_.end()) {
        return false;
    }
    give_back(sender->second);
    return true;
}

void DatagramRelay::receive(WatchKey key, Port& port) {
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
        SocketAddress from{.length = sizeof(sockaddr_storage)};
        alignas(cmsghdr) std::array<std::uint8_t, 128> control{};
        iovec data{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
        msghdr message{};
        message.msg_name = &from.storage;
        message.msg_namelen = from.length;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto size = ::recvmsg(port.socket.get(), &message, MSG_DONTWAIT);
        if (size < 0) {
            return;
        }
        const auto sender = senders_.find(sender_of(key, message));
        if (sender != senders_.end()) {
            sender->second.last = Clock::now();
            // What the target does not take is lost, as datagrams are.
            ::send(sender->second.socket.get(), buffer_.data(), static_cast<std::size_t>(size),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
}

WatchKey DatagramRelay::sender_of(WatchKey port, msghdr& message) {
    std::vector<std::uint8_t> control = answer_from(message);
    std::string name = std::to_string(port) + ' ';
    name.append(static_cast<const char*>(message.msg_name), message.msg_namelen);
    name.append(control.begin(), control.end());
    if (const auto known = by_name_.find(name); known != by_name_.end()) {
        return known->second;
    }
    if (senders_.size() >= kMostSenders) {
        forget(std::ranges::min_element(senders_, {}, [](const auto& one) {
                   return one.second.last;
               })->first);
    }
    const SocketAddress& target = ports_.at(port).target;
    UniqueFd socket(
        ::socket(target.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::connect(socket.get(), target.get(), target.length) == -1) {
        return 0;  // nobody: the datagram is lost
    }
    SocketAddress address{.length = message.msg_namelen};
    std::memcpy(&address.storage, message.msg_name, message.msg_namelen);
    const WatchKey key = watched_.add(socket.get(), EPOLLIN);
    by_name_[name] = key;
    senders_[key] = {.port = port,
                     .name = std::move(name),
                     .address = address,
                     .control = std::move(control),
                     .socket = std::move(socket)};
    return key;
}

void DatagramRelay::give_back(Sender& sender) {
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
        const auto size = ::recv(sender.socket.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (size < 0) {
            return;  // nothing more, or "nobody listens there" for one that was sent
        }
        iovec data{.iov_base = buffer_.data(), .iov_len = static_cast<std::size_t>(size)};
        msghdr message{};
        message.msg_name = &sender.address.storage;
        message.msg_namelen = sender.address.length;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = sender.control.empty() ? nullptr : sender.control.data();
        message.msg_controllen = sender.control.size();
        ::sendmsg(ports_.at(sender.port).socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        sender.last = Clock::now();
    }
}

void DatagramRelay::forget(WatchKey key) {
    const auto sender = senders_.find(key);
    watched_.remove(key);
    by_name_.erase(sender->second.name);
    senders_.erase(sender);
}

void DatagramRelay::tick(Clock::time_point now) {
    std::vector<WatchKey> silent;
    for (const auto& [key, sender] : senders_) {
        if (now - sender.last > kPatience) {
            silent.push_back(key);
        }
    }
    std::ranges::for_each(silent, [&](WatchKey key) { forget(key); });
}

}  // namespace drydock
