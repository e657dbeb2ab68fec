#pragma once

#include <filesystem>

#include "07-compose/compose/model.hpp"

#include "yaml_reader.hpp"

namespace drydock::compose {

/// One service of a compose file.
/// @param directory from which relative paths are meant
Service read_service(YamlReader& yaml, const std::filesystem::path& directory,
                     const YAML::Node& key, const YAML::Node& value);

}  // namespace drydock::compose
