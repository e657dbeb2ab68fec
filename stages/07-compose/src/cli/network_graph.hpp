#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// Networks and their containers as lines of text, or as a diagram that Mermaid draws.
/// @param networks as GET /networks/{id} answers
std::string graph_text(const std::vector<nlohmann::json>& networks);
std::string graph_mermaid(const std::vector<nlohmann::json>& networks);

}  // namespace drydock::cli
