#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "06-registry/progress.hpp"

namespace drydock {

/// Thrown in a thread of a crew when another one has failed: it is to end, and has nothing to say.
struct TransferStopped {};

/// The threads of one pull or push, and the thread that asked for it, which alone tells how they go
/// on. When one fails, or who listens has had enough, all end.
class TransferCrew {
  public:
    explicit TransferCrew(const ProgressCallback& callback) : callback_(&callback) {}
    /// Stops them and waits for their end.
    ~TransferCrew();
    TransferCrew(const TransferCrew&) = delete;
    TransferCrew& operator=(const TransferCrew&) = delete;
    TransferCrew(TransferCrew&&) = delete;
    TransferCrew& operator=(TransferCrew&&) = delete;

    /// Does `work` on a new thread, which no signal is delivered to.
    void start(std::function<void()> work);
    /// Passes on what the threads report, on this thread, until all have ended.
    /// @throws the first exception of one of them, or of the callback; all have ended then
    void wait();

    // From any thread.

    /// Docker's words for what happens to the layer `id`.
    void line(const std::string& id, const std::string& status);
    /// The same with bytes; passed on at most ten times a second, so that a fast line is not spent
    /// on telling how fast it is.
    void bytes(const std::string& id, const std::string& status, std::uint64_t current,
               std::uint64_t total);
    /// @throws TransferStopped when all are to end
    void go_on();
    /// Does `change` to what the threads share, and wakes those who wait for it.
    template <class Change>
    void change(Change change) {
        {
            const std::lock_guard lock(mutex_);
            change();
        }
        changed_.notify_all();
    }
    /// Waits until `ready`, which looks at what the threads share.
    /// @throws TransferStopped when all are to end
    template <class Ready>
    void await(Ready ready) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || ready(); });
        if (stopped_) {
            throw TransferStopped();
        }
    }

  private:
    using Lock = std::unique_lock<std::mutex>;
    void work_off(const std::function<void()>& work);
    void stop(std::exception_ptr why);
    void join();
    void pass_on(Lock& lock);
    std::deque<Progress> take_due();

    const ProgressCallback* callback_;
    std::mutex mutex_{};
    std::condition_variable changed_{};
    std::vector<std::thread> threads_{};
    std::size_t running_ = 0;
    bool stopped_ = false;
    std::exception_ptr failure_{};
    std::deque<Progress> lines_{};
    std::map<std::string, Progress> bytes_{};  ///< the newest of each layer, not yet passed on
    std::set<std::string> begun_{};            ///< "ID STATUS" that bytes were told of
    Progress last_bytes_{};
    std::chrono::steady_clock::time_point last_{};
};

}  // namespace drydock
