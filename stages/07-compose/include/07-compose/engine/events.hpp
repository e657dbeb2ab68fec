#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/engine/time_text.hpp"

namespace drydock {

/// Something that has happened to a container, an image or a volume, in docker's words.
struct Event {
    std::string type{};    ///< "container", "image", "volume", "network"
    std::string action{};  ///< "start", "die", "exec_start: ls"
    std::string id{};
    std::map<std::string, std::string> attributes{};
    Time time{};
};

/// Somebody who is told of events.
class EventQueue {
  public:
    EventQueue();

    /// Readable when there are some.
    [[nodiscard]] int fd() const noexcept { return event_.get(); }
    /// What has come since the last call, in order.
    [[nodiscard]] std::vector<Event> take();
    /// Whether events were left out, because nobody took them.
    [[nodiscard]] bool overflowed() const;

  private:
    friend class Events;
    void put(const Event& event);

    UniqueFd event_;  ///< an eventfd
    mutable std::mutex mutex_{};
    std::deque<Event> waiting_{};
    bool overflowed_ = false;
};

/// All that happens, for those who listen, and the last of it for those who ask later. For any
/// number of threads.
class Events {
  public:
    void publish(Event event);
    /// Everything from now on, behind what is remembered of the time from `since` on.
    [[nodiscard]] std::shared_ptr<EventQueue> subscribe(std::optional<Time> since = std::nullopt);

  private:
    std::mutex mutex_{};
    std::deque<Event> recent_{};
    std::vector<std::weak_ptr<EventQueue>> queues_{};
};

}  // namespace drydock
