#pragma once

#include <mutex>
#include <set>
#include <shared_mutex>

#include "04-layers/digest.hpp"

#include "shared_gate.hpp"

namespace drydock {

/// Between pushes, which go side by side, and the collector, which takes each thing away alone:
/// what a push has looked at does not go before it is done with it. Neither starves the other: who
/// comes first waits first.
class SweepGate {
  public:
    /// For the moments in which a push asks what is there, or gives it a name. Short: the collector
    /// waits meanwhile, and behind it the other pushes.
    [[nodiscard]] std::shared_lock<std::shared_mutex> push() { return gate_.together(); }
    /// Alone, for the removal of one thing.
    [[nodiscard]] std::unique_lock<std::shared_mutex> sweep() { return gate_.alone(); }

    /// While it lives, this blob stays: for a push that publishes it and takes its time for it.
    class Hold {
      public:
        Hold(SweepGate& gate, const Digest& digest) : gate_(&gate) {
            const auto pushing = gate.push();
            const std::lock_guard lock(gate.mutex_);
            at_ = gate.held_.insert(digest);
        }
        ~Hold() {
            const std::lock_guard lock(gate_->mutex_);
            gate_->held_.erase(at_);
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        Hold(Hold&&) = delete;
        Hold& operator=(Hold&&) = delete;

      private:
        SweepGate* gate_;
        std::multiset<Digest>::iterator at_{};
    };
    /// @pre the caller sweeps
    [[nodiscard]] bool held(const Digest& digest) {
        const std::lock_guard lock(mutex_);
        return held_.contains(digest);
    }

  private:
    SharedGate gate_{};
    std::mutex mutex_{};
    std::multiset<Digest> held_{};
};

}  // namespace drydock
