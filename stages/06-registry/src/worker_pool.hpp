#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace drydock {

/// Threads that run what is submitted, one more whenever none is free, up to a limit; one that
/// idles for some seconds ends. So a request that streams for hours starves no other, and a quiet
/// server has no threads.
class WorkerPool {
  public:
    explicit WorkerPool(std::size_t limit) : limit_(limit) {}
    /// Runs what is queued, then joins every thread.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    WorkerPool(WorkerPool&&) = delete;
    WorkerPool& operator=(WorkerPool&&) = delete;

    /// @param job must not throw
    /// @throws std::system_error when there is no thread and none can be made
    void submit(std::function<void()> job);

  private:
    void work(std::list<std::thread>::iterator self);

    const std::size_t limit_;
    std::mutex mutex_{};
    std::condition_variable changed_{};
    std::deque<std::function<void()>> jobs_{};
    std::list<std::thread> threads_{};
    std::list<std::thread> ended_{};  ///< to be joined
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

}  // namespace drydock
