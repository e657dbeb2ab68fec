#pragma once

#include <nlohmann/json_fwd.hpp>

#include "07-compose/engine/container.hpp"

namespace drydock::api {

/// What a body of POST /containers/create says of mounts, in all five places it may: Volumes,
/// HostConfig's Binds, Mounts, Tmpfs and VolumesFrom.
/// @throws InputError in docker's words; NotImplemented
void read_mounts(const nlohmann::json& body, const nlohmann::json& host, ContainerConfig& config);

/// As inspect and ps show them.
nlohmann::json mounts_json(const ContainerConfig& config);

}  // namespace drydock::api
