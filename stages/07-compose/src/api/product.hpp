#pragma once

namespace drydock::api {

// What the daemon says it is.

inline constexpr const char* kApiVersion = "1.44";
/// Semantic, because clients parse it: the version of Docker whose API 1.44 was, behind it
/// Drydock's own.
inline constexpr const char* kServerVersion = "25.0.0-drydock0.1.0";

}  // namespace drydock::api
