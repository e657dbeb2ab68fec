#include "worker_pool.hpp"

#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

namespace drydock {
namespace {

constexpr auto kIdle = std::chrono::seconds(10);

/// sendfile(2) has no MSG_NOSIGNAL.
void block_sigpipe() {
    sigset_t set{};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    static_cast<void>(::pthread_sigmask(SIG_BLOCK, &set, nullptr));
}

}  // namespace

WorkerPool::~WorkerPool() {
    std::list<std::thread> all;
    {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        changed_.wait(lock, [&] { return threads_.empty(); });
        all.swap(ended_);
    }
    for (std::thread& thread : all) {
        thread.join();
    }
}

// [region: worker-pool]
void WorkerPool::submit(std::function<void()> job) {
    std::list<std::thread> ended;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        ended.swap(ended_);
        if (jobs_.size() > idle_ && threads_.size() < limit_) {
            const auto self = threads_.emplace(threads_.end());
            try {
                *self = std::thread([this, self] { work(self); });
            } catch (const std::system_error&) {
                threads_.erase(self);
                if (threads_.empty()) {
                    jobs_.pop_back();
                    throw;
                }
            }
        }
        changed_.notify_one();
    }
    for (std::thread& thread : ended) {
        thread.join();
    }
}
// [/region]

void WorkerPool::work(std::list<std::thread>::iterator self) {
    block_sigpipe();
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        const bool woken =
            changed_.wait_for(lock, kIdle, [&] { return !jobs_.empty() || stopping_; });
        --idle_;
        if (!woken || jobs_.empty()) {
            break;
        }
        const std::function<void()> job = std::exchange(jobs_.front(), {});
        jobs_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
    ended_.splice(ended_.end(), threads_, self);
    changed_.notify_all();
}

}  // namespace drydock
