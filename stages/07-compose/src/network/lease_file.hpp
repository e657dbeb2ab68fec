#pragma once

namespace drydock {

/// Beside a container's state.json: what it has of networks (endpoint.hpp).
inline constexpr const char* kLeaseFile = "network.json";

}  // namespace drydock
