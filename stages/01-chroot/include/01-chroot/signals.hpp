#pragma once

#include <csignal>

#include "01-chroot/child.hpp"

namespace drydock {

/// Blocks the signals that would end this program (SIGINT, SIGTERM, SIGHUP, SIGQUIT) or that a
/// command may be sent (SIGUSR1, SIGUSR2, SIGWINCH) while it lives, so that owners are always
/// unwound: nothing ends us between two steps.
class BlockedSignals {
  public:
    BlockedSignals();
    /// Restores what was blocked before.
    ~BlockedSignals();
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    BlockedSignals(BlockedSignals&&) = delete;
    BlockedSignals& operator=(BlockedSignals&&) = delete;

    /// In a child, before execve: the mask from before is what the command inherits.
    void restore() const noexcept;
    [[nodiscard]] const sigset_t& blocked() const noexcept { return blocked_; }

  private:
    sigset_t before_{};
    sigset_t blocked_{};
};

/// Waits for `child` and passes on to it every signal of `signals` that arrives meanwhile. The
/// third SIGINT or SIGTERM kills it: a first process in a PID namespace may ignore both.
/// @return its exit status
int wait_and_forward(Child& child, const BlockedSignals& signals);

}  // namespace drydock
