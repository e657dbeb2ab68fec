#pragma once

#include <string>
#include <vector>

namespace drydock::compose {

/// `drydock-compose ARGUMENTS`.
/// @return the exit status; what went wrong has been printed
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace drydock::compose
