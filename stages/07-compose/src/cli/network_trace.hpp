#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// The way of a container's packets, a hop a line.
/// @param trace as GET /drydock/containers/{}/network answers
std::string trace_text(const nlohmann::json& trace);

}  // namespace drydock::cli
