#pragma once

#include <filesystem>
#include <string_view>

namespace drydock {

/// Where the program `name` of Drydock lies: in $DRYDOCK_PROGRAMS if that is set, else beside the
/// running program.
/// @throws InputError when it is not there
std::filesystem::path program_beside(std::string_view name);

}  // namespace drydock
