#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/volume_store.hpp"

namespace drydock::api {

/// As GET /volumes/{name} has it.
nlohmann::json volume_json(const Volume& volume);

}  // namespace drydock::api
