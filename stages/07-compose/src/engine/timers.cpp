#include "07-compose/engine/timers.hpp"

#include <utility>

namespace drydock {

Timers::Timers() {
    thread_ = std::thread([this] { run(); });
}

Timers::~Timers() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void Timers::after(std::chrono::milliseconds delay, std::function<void()> act) {
    {
        const std::lock_guard lock(mutex_);
        due_.emplace(std::chrono::steady_clock::now() + delay, std::move(act));
    }
    changed_.notify_one();
}

void Timers::run() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        if (due_.empty()) {
            changed_.wait(lock);
            continue;
        }
        const auto next = due_.begin()->first;
        if (std::chrono::steady_clock::now() < next) {
            changed_.wait_until(lock, next);
            continue;
        }
        const auto act = std::move(due_.begin()->second);
        due_.erase(due_.begin());
        lock.unlock();
        act();
        lock.lock();
    }
}

}  // namespace drydock
