#pragma once

#include <map>
#include <string>

#include "07-compose/compose/model.hpp"

#include "yaml_reader.hpp"

namespace drydock::compose {

/// The keys of a service that are about networks, for YamlReader::map().
/// @param prefix "services.web"; both references must outlive the result
std::map<std::string, YamlReader::Key> network_keys(YamlReader& yaml, const std::string& prefix,
                                                    Service& service);

/// The file's own networks.
std::map<std::string, ProjectNetwork> read_networks(YamlReader& yaml, const YAML::Node& node);

/// Every service without a network_mode is in a network, and every network it names is there.
/// @param services the file's, for the place of an error
void settle_networks(YamlReader& yaml, const YAML::Node& services, Project& project);

}  // namespace drydock::compose
