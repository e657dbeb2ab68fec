#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "06-registry/http_server.hpp"
#include "06-registry/registry_garbage.hpp"

namespace drydock {

/// Counts what a registry answered. From any number of threads.
class RegistryMetrics {
  public:
    void count(const HttpLogEntry& entry);
    void count(const RegistryGarbage& garbage);
    /// Prometheus's text format.
    [[nodiscard]] std::string text() const;

  private:
    mutable std::mutex mutex_{};
    std::map<std::pair<std::string, int>, std::uint64_t> requests_{};
    std::uint64_t sent_ = 0;
    std::chrono::microseconds took_{};
    std::uint64_t collections_ = 0;
    RegistryGarbage collected_{};  ///< of all of them together
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// One request as one line of JSON, with its line end.
std::string log_line(const HttpLogEntry& entry);

}  // namespace drydock
