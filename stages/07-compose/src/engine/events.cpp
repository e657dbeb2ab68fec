#include "07-compose/engine/events.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

constexpr std::size_t kEventsKept = 1024;
constexpr std::size_t kMostWaiting = 8192;  ///< for one listener

}  // namespace

EventQueue::EventQueue()
    : event_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)")) {}

void EventQueue::put(const Event& event) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < kMostWaiting) {
        waiting_.push_back(event);
    } else {
        overflowed_ = true;
    }
    ::eventfd_write(event_.get(), 1);
}

std::vector<Event> EventQueue::take() {
    const std::lock_guard lock(mutex_);
    eventfd_t count = 0;
    ::eventfd_read(event_.get(), &count);
    std::vector<Event> taken(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    return taken;
}

bool EventQueue::overflowed() const {
    const std::lock_guard lock(mutex_);
    return overflowed_;
}

void Events::publish(Event event) {
    const std::lock_guard lock(mutex_);
    // Under the lock, so that the order of the times is that of the events.
    event.time = now();
    std::erase_if(queues_, [&](const std::weak_ptr<EventQueue>& held) {
        const auto queue = held.lock();
        if (queue) {
            queue->put(event);
        }
        return !queue;
    });
    recent_.push_back(std::move(event));
    if (recent_.size() > kEventsKept) {
        recent_.pop_front();
    }
}

std::shared_ptr<EventQueue> Events::subscribe(std::optional<Time> since) {
    auto queue = std::make_shared<EventQueue>();
    const std::lock_guard lock(mutex_);
    if (since) {
        for (const Event& event : recent_) {
            if (event.time >= *since) {
                queue->put(event);
            }
        }
    }
    queues_.push_back(queue);
    return queue;
}

}  // namespace drydock
