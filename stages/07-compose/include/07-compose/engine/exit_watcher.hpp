#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// A thread that waits for processes to end, however many.
class ExitWatcher {
  public:
    /// @param on_exit called on that thread with the name given to watch(), once; must not throw
    explicit ExitWatcher(std::function<void(const std::string&)> on_exit);
    /// Ends the thread; what still runs is not waited for.
    ~ExitWatcher();
    ExitWatcher(const ExitWatcher&) = delete;
    ExitWatcher& operator=(const ExitWatcher&) = delete;
    ExitWatcher(ExitWatcher&&) = delete;
    ExitWatcher& operator=(ExitWatcher&&) = delete;

    /// @param pidfd stays the caller's, who keeps it open until on_exit was called
    void watch(int pidfd, const std::string& name);

  private:
    void run();

    std::function<void(const std::string&)> on_exit_;
    UniqueFd epoll_;
    UniqueFd stop_;  ///< an eventfd
    std::mutex mutex_{};
    std::map<int, std::string> names_{};  ///< by pidfd
    std::thread thread_{};
};

}  // namespace drydock
