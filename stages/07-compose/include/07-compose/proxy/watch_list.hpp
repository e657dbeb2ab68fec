#pragma once

#include <cstdint>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Names a watched descriptor: never the same twice, so that an event of a socket that was closed
/// is not taken for one of its successor with the same number.
using WatchKey = std::uint64_t;

/// epoll(7), level-triggered.
class WatchList {
  public:
    /// @throws std::system_error
    WatchList();
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

    /// @param events EPOLLIN, EPOLLOUT
    WatchKey add(int fd, std::uint32_t events);
    /// No event at all, not even EPOLLHUP, when `events` is 0.
    void change(WatchKey key, std::uint32_t events);
    /// To be called before the descriptor is closed.
    void remove(WatchKey key);

  private:
    static int fd_of(WatchKey key) { return static_cast<int>(key & 0xffffffffU); }
    UniqueFd epoll_;
    WatchKey next_ = 1;
};

}  // namespace drydock
