#pragma once

#include <span>

#include "06-registry/http.hpp"
#include "07-compose/api/router.hpp"

namespace drydock::api {

// The API, a group of routes a file.

std::span<const Route> system_routes();
std::span<const Route> container_routes();
std::span<const Route> stream_routes();
std::span<const Route> network_routes();
std::span<const Route> attach_routes();
std::span<const Route> event_routes();
std::span<const Route> usage_routes();
std::span<const Route> volume_routes();
std::span<const Route> archive_routes();
std::span<const Route> disk_routes();
std::span<const Route> image_routes();
std::span<const Route> build_routes();
std::span<const Route> registry_routes();
/// What Docker has and Drydock has not yet: "not implemented: x", 501.
std::span<const Route> missing_routes();

/// Answers any request of Docker's API.
void answer(HttpExchange& http, Engine& engine);

/// The headers that every response carries; clients read their server's version and system from
/// them.
HttpHeaders common_headers();

}  // namespace drydock::api
