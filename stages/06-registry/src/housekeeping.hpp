#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace drydock {

/// A thread that does a piece of work each `interval`, and when it is asked to. Ended and joined
/// when destroyed; the work at hand is finished first.
class Housekeeping {
  public:
    /// @param interval 0: only when asked
    Housekeeping(std::chrono::seconds interval, std::function<void()> work);

    /// Now, on the thread; asked twice before it begins is once.
    void ask();

  private:
    void keep(const std::stop_token& stop);

    std::chrono::seconds interval_;
    std::function<void()> work_;
    std::mutex mutex_{};
    std::condition_variable_any changed_{};
    bool asked_ = false;
    std::jthread thread_{};
};

}  // namespace drydock
