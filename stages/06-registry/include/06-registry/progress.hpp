#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace drydock {

/// One line of docker's progress stream.
struct Progress {
    std::string id{};  ///< the layer, 12 hex digits; the tag in "Pulling from x"; empty in lines
                       ///< about it all
    std::string status{};  ///< docker's words: "Pulling fs layer", "Downloading", "Pull complete",
                           ///< "Pushed", ...
    std::uint64_t current = 0;  ///< bytes so far; 0 with total 0: the line has no bar
    std::uint64_t total = 0;
};
/// Called on the thread that called pull or push. An exception from it ends the transfer (that is
/// how to cancel).
using ProgressCallback = std::function<void(const Progress&)>;

/// A registry said no, said nonsense, or could not be reached. The text names host, port and what
/// was asked for.
class RegistryError : public std::runtime_error {
  public:
    /// @param status of the HTTP response; 0 when there was none
    RegistryError(const std::string& what, int status)
        : std::runtime_error(what), status_(status) {}

    [[nodiscard]] int status() const noexcept { return status_; }

  private:
    int status_;
};

}  // namespace drydock
