#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "04-layers/digest.hpp"
#include "06-registry/progress.hpp"

namespace drydock {

/// Docker's words for what pull and push do; bytes at most ten times a second, so that a fast line
/// is not spent on telling how fast it is.
class Report {
  public:
    explicit Report(const ProgressCallback& callback) : callback_(&callback) {}

    void line(const std::string& id, const std::string& status) const;
    void bytes(const std::string& id, const std::string& status, std::uint64_t current,
               std::uint64_t total) const;

    /// Says the last line about bytes again when a second has passed: whoever listens can then end
    /// a transfer that stands still.
    void tick() const;

  private:
    const ProgressCallback* callback_;
    mutable std::chrono::steady_clock::time_point last_{};
    mutable Progress last_bytes_{};
};

/// The 12 hexadecimal digits that docker shows.
std::string short_id(const Digest& digest);

}  // namespace drydock
