#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <vector>

#include "04-layers/digest.hpp"

namespace drydock {

/// Another stage has failed, which says why; this one need not go on.
class StageAbandoned : public std::runtime_error {
  public:
    StageAbandoned() : std::runtime_error("another stage of the build failed") {}
};

/// Builds stages at the same time, each in a thread of its own, and each at most once. A stage
/// waits for another one only where it needs it. For any number of threads.
///
/// A stage waits for earlier ones only, so there is no circle.
class BuildGraph {
  public:
    /// @param build builds the stage of that number
    explicit BuildGraph(std::function<void(std::size_t)> build) : build_(std::move(build)) {}

    /// Begins with the stage, if nobody has.
    void begin(std::size_t stage);
    /// Whether somebody has begun with the stage.
    [[nodiscard]] bool has_begun(std::size_t stage) const;
    /// Returns when the stage, which was begun, is built.
    /// @throws StageAbandoned when it failed
    void wait_for(std::size_t stage) const;
    /// Returns when every stage is built.
    /// @throws what the first stage in the file threw of those that failed for reasons of their own
    void finish();
    /// One stage has failed: the others should end.
    [[nodiscard]] bool has_failed() const noexcept { return failed_; }

  private:
    struct Stage {
        std::shared_future<void> run{};
        std::exception_ptr error{};
    };
    void run(std::size_t stage);

    std::function<void(std::size_t)> build_;
    std::atomic<bool> failed_ = false;
    mutable std::mutex mutex_{};
    std::vector<Stage> stages_{};  ///< last, so that its threads have ended before the rest goes
};

/// The steps under way, by their keys: of several stages that come to the same step at the same
/// moment one does it, and the others find it done.
class StepsUnderWay {
  public:
    /// Owns the right to do a step.
    class Claim {
      public:
        Claim(StepsUnderWay& steps, Digest key) : steps_(steps), key_(std::move(key)) {}
        ~Claim() { steps_.done(key_); }
        Claim(const Claim&) = delete;
        Claim& operator=(const Claim&) = delete;
        Claim(Claim&&) = delete;
        Claim& operator=(Claim&&) = delete;

      private:
        StepsUnderWay& steps_;
        Digest key_;
    };

    /// Waits until nobody else does this step. Who has a claim must not wait for another stage.
    [[nodiscard]] Claim claim(const Digest& key);

  private:
    void done(const Digest& key);

    std::mutex mutex_{};
    std::condition_variable ended_{};
    std::set<Digest> keys_{};
};

}  // namespace drydock
