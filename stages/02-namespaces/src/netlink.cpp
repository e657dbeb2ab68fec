#include "02-namespaces/netlink.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

/// A struct that the kernel, or we, wrote somewhere into `bytes`.
template <class T>
T read_at(std::span<const std::byte> bytes, std::size_t at) {
    T value{};
    if (at + sizeof(T) <= bytes.size()) {
        std::memcpy(&value, bytes.subspan(at).data(), sizeof(T));
    }
    return value;
}

template <class T>
void write_at(std::span<std::byte> bytes, std::size_t at, const T& value) {
    std::memcpy(bytes.subspan(at).data(), &value, sizeof(T));
}

/// The kernel's explanation of an error (NLMSGERR_ATTR_MSG), which stands behind the header of the
/// request that failed; "" when it gave none.
std::string explanation(std::span<const std::byte> message) {
    std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nlmsgerr));
    while (at + NLA_HDRLEN <= message.size()) {
        const auto attribute = read_at<nlattr>(message, at);
        if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > message.size()) {
            break;
        }
        if (attribute.nla_type == NLMSGERR_ATTR_MSG) {
            const auto text = message.subspan(at + NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN);
            std::string result(text.size(), '\0');
            std::memcpy(result.data(), text.data(), text.size());
            return result.c_str();  // up to the zero that ends it
        }
        at += NLA_ALIGN(attribute.nla_len);
    }
    return {};
}

/// The messages that one datagram holds.
std::vector<std::span<const std::byte>> messages_of(std::span<const std::byte> datagram) {
    std::vector<std::span<const std::byte>> messages;
    while (datagram.size() >= NLMSG_HDRLEN) {
        const std::size_t length = read_at<nlmsghdr>(datagram, 0).nlmsg_len;
        if (length < NLMSG_HDRLEN || length > datagram.size()) {
            break;
        }
        messages.push_back(datagram.first(length));
        datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(length), datagram.size()));
    }
    return messages;
}

[[noreturn]] void throw_refused(int error, const std::string& request, const std::string& why) {
    throw std::system_error(error, std::generic_category(),
                            why.empty() ? request : fmt::format("{}: {}", request, why));
}

}  // namespace

NetlinkBatch::Nest::Nest(NetlinkBatch& batch, std::uint16_t type)
    : batch_(batch), at_(batch.begin_attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED))) {}

NetlinkBatch::Nest::~Nest() {
    batch_.end_attribute(at_);
}

// [region: netlink-attributes]
void NetlinkBatch::begin_request(std::uint16_t type, std::uint16_t flags, std::string text) {
    texts_.push_back(std::move(text));
    request_ = bytes_.size();
    put_header(
        nlmsghdr{.nlmsg_len = NLMSG_HDRLEN,
                 .nlmsg_type = type,
                 .nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK),
                 .nlmsg_seq = static_cast<std::uint32_t>(texts_.size()),
                 .nlmsg_pid = 0});
}

void NetlinkBatch::append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    // The length is the first field of the request's header: it grows with what is put into it.
    write_at(bytes_, request_, static_cast<std::uint32_t>(bytes_.size() - request_));
}

std::size_t NetlinkBatch::begin_attribute(std::uint16_t type) {
    const std::size_t at = bytes_.size();
    const nlattr header{.nla_len = NLA_HDRLEN, .nla_type = type};
    append(std::as_bytes(std::span(&header, 1)));
    return at;
}

void NetlinkBatch::end_attribute(std::size_t at) {
    write_at(bytes_, at, static_cast<std::uint16_t>(bytes_.size() - at));
}

void NetlinkBatch::put(std::uint16_t type, std::span<const std::uint8_t> bytes) {
    const std::size_t at = begin_attribute(type);
    append(std::as_bytes(bytes));
    // Without the padding, which follows the attribute and is no part of it.
    write_at(bytes_, at, static_cast<std::uint16_t>(NLA_HDRLEN + bytes.size()));
}
// [/region]

void NetlinkBatch::put(std::uint16_t type, const std::string& text) {
    std::vector<std::uint8_t> bytes(text.begin(), text.end());
    bytes.push_back(0);
    put(type, bytes);
}

void NetlinkBatch::put(std::uint16_t type, std::uint32_t number) {
    std::array<std::uint8_t, sizeof(number)> bytes{};
    std::memcpy(bytes.data(), &number, sizeof(number));
    put(type, bytes);
}

void NetlinkBatch::put(std::uint16_t type, std::uint8_t number) {
    put(type, std::span(&number, 1));
}

RouteSocket::RouteSocket()
    : socket_(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
                    "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)")) {
    const int on = 1;
    // Without it an error is a bare number; the kernel often knows more.
    ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    // A whole batch in one datagram, acknowledgements without the requests they repeat.
    ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
}

std::vector<std::byte> RouteSocket::receive() const {
    // With MSG_TRUNC the result is the datagram's length, whatever the buffer's is.
    const auto length = check(::recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC),
                              "recv(netlink, MSG_PEEK|MSG_TRUNC)");
    std::vector<std::byte> datagram(static_cast<std::size_t>(length));
    check(::recv(socket_.get(), datagram.data(), datagram.size(), 0), "recv(netlink)");
    return datagram;
}

// [region: netlink-send]
void RouteSocket::send(const NetlinkBatch& batch) const {
    if (batch.empty()) {
        return;
    }
    const auto& texts = batch.texts();
    check(::send(socket_.get(), batch.bytes().data(), batch.bytes().size(), 0), "send(netlink, {})",
          fmt::format("{}", fmt::join(texts, ", ")));
    int error = 0;
    std::size_t failed = 0;
    std::string why;
    // Every request is answered by one acknowledgement: an error message whose error may be 0.
    for (std::size_t acknowledged = 0; acknowledged < texts.size();) {
        const std::vector<std::byte> datagram = receive();
        for (const auto message : messages_of(datagram)) {
            const auto header = read_at<nlmsghdr>(message, 0);
            if (header.nlmsg_type != NLMSG_ERROR) {
                continue;
            }
            ++acknowledged;
            const int its_error = -read_at<nlmsgerr>(message, NLMSG_HDRLEN).error;
            if (its_error != 0 && error == 0) {
                error = its_error;
                failed = header.nlmsg_seq - 1;
                why = explanation(message);
            }
        }
    }
    if (error != 0) {
        throw_refused(error, texts.at(failed), why);
    }
}
// [/region]

std::vector<std::vector<std::byte>> RouteSocket::dump(const NetlinkBatch& batch) const {
    check(::send(socket_.get(), batch.bytes().data(), batch.bytes().size(), 0), "send(netlink, {})",
          batch.texts().front());
    std::vector<std::vector<std::byte>> answers;
    while (true) {
        const std::vector<std::byte> datagram = receive();
        for (const auto message : messages_of(datagram)) {
            const auto header = read_at<nlmsghdr>(message, 0);
            if (header.nlmsg_type == NLMSG_ERROR) {
                if (const int error = -read_at<nlmsgerr>(message, NLMSG_HDRLEN).error; error != 0) {
                    throw_refused(error, batch.texts().front(), explanation(message));
                }
            }
            if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
                return answers;
            }
            answers.emplace_back(message.begin(), message.end());
        }
    }
}

}  // namespace drydock
