#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/events.hpp"
#include "07-compose/engine/filters.hpp"

namespace drydock::api {

/// The event as docker writes it.
nlohmann::json event_json(const Event& event);

/// @throws InputError "Invalid filter 'x'"
Filters parse_event_filters(std::string_view json);
/// Values of one key are ORed, labels and different keys ANDed. "exec_start" and "health_status"
/// fit whatever stands behind them.
bool passes(const Event& event, const Filters& filters);

}  // namespace drydock::api
