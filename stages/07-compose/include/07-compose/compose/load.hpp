#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "07-compose/compose/interpolate.hpp"
#include "07-compose/compose/model.hpp"

namespace drydock::compose {

/// compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml in `directory` or the
/// nearest folder above.
/// @throws InputError when there is none
std::filesystem::path find_compose_file(const std::filesystem::path& directory);

/// Reads and checks a compose file.
/// @param project_name "" for COMPOSE_PROJECT_NAME, the file's `name`, or the name of its folder
/// @throws InputError "FILE:LINE:COLUMN: what is wrong; what would be right"
/// @throws NotImplemented naming key, line and column, for what Compose has and Drydock does not
/// yet
Project load_project(const std::filesystem::path& file, const std::string& project_name);

/// The same from text; `file` names it in messages and gives relative paths their folder.
Project parse_project(const std::string& text, const std::filesystem::path& file,
                      const std::string& project_name, const Lookup& lookup);

}  // namespace drydock::compose
