#pragma once

#include <mutex>
#include <shared_mutex>

namespace drydock {

/// Many together, or one alone. Neither starves the other, as with a shared_mutex alone: who comes
/// first waits first.
class SharedGate {
  public:
    [[nodiscard]] std::shared_lock<std::shared_mutex> together() {
        const std::lock_guard queue(turnstile_);
        return std::shared_lock(gate_);
    }
    [[nodiscard]] std::unique_lock<std::shared_mutex> alone() {
        const std::lock_guard queue(turnstile_);
        return std::unique_lock(gate_);
    }

  private:
    std::mutex turnstile_{};
    std::shared_mutex gate_{};
};

}  // namespace drydock
