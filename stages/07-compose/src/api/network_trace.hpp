#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock::api {

/// The way of a running container's packets, link by link, with what the kernel has counted there.
nlohmann::json network_trace_json(const Container& container, const Networks& networks);

}  // namespace drydock::api
