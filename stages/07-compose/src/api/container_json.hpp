#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/engine.hpp"

namespace drydock::api {

/// What GET /containers/{id}/json answers.
nlohmann::json inspect_json(const Container& container, const Engine& engine);
/// One element of what GET /containers/json answers.
nlohmann::json list_json(const Container& container, const Engine& engine);

}  // namespace drydock::api
