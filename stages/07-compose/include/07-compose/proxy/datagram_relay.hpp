#pragma once

#include <netinet/in.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/ip_address.hpp"
#include "07-compose/proxy/socket_address.hpp"
#include "07-compose/proxy/watch_list.hpp"

namespace drydock {

/// Passes datagrams on, and back to who sent the first, from the address that it had been sent to.
/// Everyone who sends has a socket to the target until nothing comes or goes for kPatience; when
/// there are kMostSenders, who was silent longest makes room.
class DatagramRelay {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kMostSenders = 1024;
    static constexpr std::chrono::seconds kPatience{90};  ///< as docker's proxy has it

    explicit DatagramRelay(WatchList& watched) : watched_(watched) {}

    /// @param socket bound
    void add(UniqueFd socket, const IpAddress& target, int port);
    /// Whether the event was for one of ours.
    bool serve(WatchKey key);
    /// To be called about once a second: forgets who is silent.
    void tick(Clock::time_point now = Clock::now());
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.size(); }

  private:
    struct Port {
        UniqueFd socket{};
        SocketAddress target{};
    };
    struct Sender {
        WatchKey port = 0;
        std::string name{};  ///< its address, and the one that it sent to
        SocketAddress address{};
        std::vector<std::uint8_t> control{};  ///< what sendmsg(2) needs to answer from there
        UniqueFd socket{};                    ///< to the target
        Clock::time_point last{};
    };

    void receive(WatchKey key, Port& port);
    void give_back(Sender& sender);
    WatchKey sender_of(WatchKey port, msghdr& message);
    void forget(WatchKey key);

    WatchList& watched_;
    std::map<WatchKey, Port> ports_{};
    std::map<WatchKey, Sender> senders_{};
    std::map<std::string, WatchKey> by_name_{};
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(std::size_t{64} << 10U);
};

}  // namespace drydock
