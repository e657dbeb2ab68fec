#include "housekeeping.hpp"

#include <utility>

namespace drydock {

Housekeeping::Housekeeping(std::chrono::seconds interval, std::function<void()> work)
    : interval_(interval),
      work_(std::move(work)),
      thread_([this](const std::stop_token& stop) { keep(stop); }) {}

void Housekeeping::ask() {
    {
        const std::lock_guard lock(mutex_);
        asked_ = true;
    }
    changed_.notify_one();
}

void Housekeeping::keep(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        const auto wanted = [this] { return asked_; };
        const bool due = interval_.count() > 0
                             ? !changed_.wait_for(lock, stop, interval_, wanted) || asked_
                             : changed_.wait(lock, stop, wanted);
        if (stop.stop_requested() || !due) {
            continue;
        }
        asked_ = false;
        lock.unlock();
        work_();
        lock.lock();
    }
}

}  // namespace drydock
