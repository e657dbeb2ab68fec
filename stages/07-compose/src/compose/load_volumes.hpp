#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "07-compose/compose/model.hpp"

#include "yaml_reader.hpp"

namespace drydock::compose {

/// What stands under a service's `volumes`.
/// @param what "services.web.volumes"
/// @param directory from which relative paths of the host are meant
std::vector<ServiceVolume> read_volumes(YamlReader& yaml, const YAML::Node& node,
                                        const std::string& what,
                                        const std::filesystem::path& directory);

/// One of the file's own volumes.
ProjectVolume read_project_volume(YamlReader& yaml, const std::string& key, const YAML::Node& node);

/// Every volume that a service names is one of the project's. @throws InputError
void check_volumes(const Project& project, const std::filesystem::path& file);

}  // namespace drydock::compose
