#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace drydock {

/// A thread that does things when their time has come, one after the other.
class Timers {
  public:
    Timers();
    /// Ends the thread; what is not due yet is never done.
    ~Timers();
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;
    Timers(Timers&&) = delete;
    Timers& operator=(Timers&&) = delete;

    /// @param act called on that thread; must not throw
    void after(std::chrono::milliseconds delay, std::function<void()> act);

  private:
    void run();

    std::mutex mutex_{};
    std::condition_variable changed_{};
    std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> due_{};
    bool ending_ = false;
    std::thread thread_{};
};

}  // namespace drydock
