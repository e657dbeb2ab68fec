#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Requests to the kernel's routing subsystem, laid out one behind the other so that one system
/// call sends them all. A request is a header (nlmsghdr), a second one that its type prescribes
/// (ifinfomsg, ifaddrmsg, rtmsg) and attributes: length, type, value, padded to four bytes.
/// @see netlink(7), rtnetlink(7)
class NetlinkBatch {
  public:
    /// An attribute that holds attributes: those put while the object lives.
    class [[nodiscard]] Nest {
      public:
        Nest(NetlinkBatch& batch, std::uint16_t type);
        ~Nest();
        Nest(const Nest&) = delete;
        Nest& operator=(const Nest&) = delete;
        Nest(Nest&&) = delete;
        Nest& operator=(Nest&&) = delete;

      private:
        NetlinkBatch& batch_;
        std::size_t at_;
    };

    /// Begins a request; what follows, until the next, belongs to it.
    /// @param type   RTM_*
    /// @param flags  NLM_F_CREATE, NLM_F_EXCL…; NLM_F_REQUEST and NLM_F_ACK are set
    /// @param header the struct that the type prescribes
    /// @param text   what an error calls it: "RTM_NEWLINK(ifname=br0, kind=bridge)"
    template <class Header>
    void begin(std::uint16_t type, std::uint16_t flags, const Header& header, std::string text) {
        begin_request(type, flags, std::move(text));
        put_header(header);
    }
    /// A second header inside an attribute, as the peer of a veth pair has one.
    template <class Header>
    void put_header(const Header& header) {
        append(std::as_bytes(std::span(&header, 1)));
    }
    /// A string, with the zero that ends it.
    void put(std::uint16_t type, const std::string& text);
    void put(std::uint16_t type, std::uint32_t number);
    void put(std::uint16_t type, std::uint8_t number);
    void put(std::uint16_t type, std::span<const std::uint8_t> bytes);
    Nest nest(std::uint16_t type) { return {*this, type}; }

    [[nodiscard]] bool empty() const noexcept { return texts_.empty(); }
    /// The requests as they are sent, in the machine's own byte order, numbered from 1.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    /// What each of them is called.
    [[nodiscard]] const std::vector<std::string>& texts() const noexcept { return texts_; }

  private:
    void begin_request(std::uint16_t type, std::uint16_t flags, std::string text);
    void append(std::span<const std::byte> bytes);
    std::size_t begin_attribute(std::uint16_t type);
    void end_attribute(std::size_t at);

    std::vector<std::byte> bytes_{};
    std::vector<std::string> texts_{};
    std::size_t request_ = 0;  ///< where the last request begins
};

/// A socket to the routing subsystem of the network namespace in which it was opened, wherever its
/// owner goes.
class RouteSocket {
  public:
    /// @throws std::system_error
    RouteSocket();

    /// Returns when the kernel has done every request of the batch.
    /// @throws std::system_error naming the first that failed, with the kernel's own words if it
    /// gave any; the kernel tries those behind it all the same
    void send(const NetlinkBatch& batch) const;
    /// Sends one RTM_GET* request and gives back the messages of the answer, each with its
    /// nlmsghdr.
    [[nodiscard]] std::vector<std::vector<std::byte>> dump(const NetlinkBatch& batch) const;

  private:
    [[nodiscard]] std::vector<std::byte> receive() const;

    UniqueFd socket_;
};

}  // namespace drydock
