#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/ip_address.hpp"
#include "07-compose/proxy/watch_list.hpp"

namespace drydock {

/// Passes connections on, byte for byte, both ways. The end of one direction is the end of that
/// direction only (shutdown(2), SHUT_WR); a connection that breaks, or whose target takes none,
/// breaks for the other side as well. For TCP, and SCTP where the kernel has it.
///
/// Memory is bounded: what one side does not take yet is at most kMostPending for all connections
/// together, and a little for each; who comes when there are kMostConnections waits.
class StreamRelay {
  public:
    static constexpr std::size_t kMostConnections = 1024;
    static constexpr std::size_t kMostPending = std::size_t{8} << 20U;

    explicit StreamRelay(WatchList& watched) : watched_(watched) {}

    /// @param listener a bound socket; it listens from here on
    /// @throws std::system_error listen(2)
    void add(UniqueFd listener, const IpAddress& target, int port, int protocol);
    /// Whether the event was for one of ours.
    bool serve(WatchKey key);
    /// To be called about once a second: listeners that had to wait are asked again.
    void tick();
    /// Whether there is something that only tick() will change.
    [[nodiscard]] bool waits() const noexcept { return !open_; }
    [[nodiscard]] std::size_t connections() const noexcept { return count_; }

  private:
    struct Listener {
        UniqueFd socket{};
        IpAddress target{};
        int port = 0;
        int protocol = 0;
    };
    /// One side of a connection.
    struct End {
        UniqueFd socket{};
        WatchKey key = 0;
        std::vector<std::uint8_t> pending{};  ///< to be sent there
        bool ended = false;                   ///< it has nothing more to say
        bool shut = false;                    ///< and is told nothing more
    };
    struct Connection {
        std::array<End, 2> ends{};  ///< who came, and the target
        bool connecting = true;
    };

    void accept_some(const Listener& listener);
    void connect_to_target(UniqueFd client, const Listener& listener);
    [[nodiscard]] bool carry(Connection& connection, std::size_t from);
    [[nodiscard]] bool flush(End& end);
    [[nodiscard]] bool advance(Connection& connection);
    void watch_ends(Connection& connection);
    void close(const std::shared_ptr<Connection>& connection, bool broken);
    void let_in(bool open);

    WatchList& watched_;
    std::map<WatchKey, Listener> listeners_{};
    std::map<WatchKey, std::shared_ptr<Connection>> ends_{};
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(std::size_t{64} << 10U);
    std::size_t pending_ = 0;  ///< bytes, of all connections
    std::size_t count_ = 0;
    bool open_ = true;  ///< listeners are watched
};

}  // namespace drydock
