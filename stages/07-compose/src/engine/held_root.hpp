#pragma once

#include <sys/types.h>

#include <filesystem>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Owns a process that has mounted a container's file system, its volumes included, as a start of
/// it would, in a mount namespace of its own: nobody else sees these mounts, and they go with it.
/// @pre the container does not run, and is not started meanwhile
class HeldRoot {
  public:
    explicit HeldRoot(const std::filesystem::path& bundle);
    ~HeldRoot();
    HeldRoot(const HeldRoot&) = delete;
    HeldRoot& operator=(const HeldRoot&) = delete;
    HeldRoot(HeldRoot&&) = delete;
    HeldRoot& operator=(HeldRoot&&) = delete;

    /// The container's "/".
    [[nodiscard]] int get() const noexcept { return root_.get(); }

  private:
    pid_t pid_ = 0;
    UniqueFd hold_{};  ///< the process ends when this is closed
    UniqueFd root_{};
};

/// What `drydock-daemon --hold-root BUNDLE` does: mounts, writes one byte to its standard output,
/// and ends with its standard input. @return 0
int hold_root(const std::filesystem::path& bundle);

}  // namespace drydock
