#pragma once

#include <stdexcept>
#include <string>

namespace drydock {

/// Why the engine refuses; the API gives each its HTTP status.
enum class Refusal {
    NotFound,     ///< 404
    Conflict,     ///< 409: the name is in use, the container runs, it does not run…
    NotModified,  ///< 304: it is so already
    BadRequest,   ///< 400
    Forbidden,    ///< 403: the network has endpoints, the endpoint is there already…
    Unavailable,  ///< 503
};

/// A request that the engine understood and refuses. The text is Docker's own where clients look
/// for it. (What is not right in itself is an InputError, what cannot be done yet NotImplemented;
/// anything else is a fault of ours.)
class EngineError : public std::runtime_error {
  public:
    EngineError(Refusal refusal, const std::string& text)
        : std::runtime_error(text), refusal_(refusal) {}
    [[nodiscard]] Refusal refusal() const noexcept { return refusal_; }

  private:
    Refusal refusal_;
};

}  // namespace drydock
