#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/engine.hpp"
#include "07-compose/compose/model.hpp"

namespace drydock::compose {

/// What the engine calls the network: "shop_default".
std::string network_name(const Project& project, const std::string& key);

/// The networks that `service` is in, as a container is created with them; the service's name is
/// one of its aliases in each.
void put_networks(const Project& project, const Service& service, cli::ContainerSpec& spec);

/// Makes the project's networks that are not there; tells of each on stderr.
/// @param made is given the IDs of those that were made, also when it throws
/// @throws InputError for an external one that is not there
void make_networks(const cli::Engine& engine, const Project& project,
                   std::vector<std::string>& made);
/// Removes what make_networks() made, for an `up` that has failed.
void remove_made(const cli::Engine& engine, const std::vector<std::string>& ids);

/// Removes the networks that carry the project's label.
void remove_networks(const cli::Engine& engine, const std::string& project_name);

}  // namespace drydock::compose
