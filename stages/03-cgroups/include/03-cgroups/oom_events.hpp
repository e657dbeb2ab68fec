#pragma once

#include <cstdint>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Says when the kernel kills in a group for want of memory. Owns a descriptor; empty (fd() is -1,
/// which poll(2) passes over) where no group's memory is counted.
class OomEvents {
  public:
    OomEvents() noexcept = default;
    /// v1: an eventfd(2) that is registered for `memory.oom_control`.
    static OomEvents of_v1(int directory);
    /// v2: an inotify(7) watch of `memory.events`.
    static OomEvents of_v2(int directory);

    /// Readable (POLLIN) when there may be something to take().
    [[nodiscard]] int fd() const noexcept { return events_.get(); }
    /// Clears the descriptor. @return how often memory ran out since the last time; 0 when it was
    /// something else, such as the end of the group
    std::int64_t take();

  private:
    UniqueFd events_{};
    UniqueFd counter_{};  ///< the file that counts
    std::int64_t seen_ = 0;
    bool is_v1_ = false;
};

}  // namespace drydock
