#pragma once

#include <string>
#include <utility>

namespace drydock {

/// Reads the value of --secret: "id=ID,src=FILE" or "id=ID,env=NAME". Without src and env it is the
/// file that is called ID.
/// @return ID and secret
/// @throws InputError, std::system_error
std::pair<std::string, std::string> read_build_secret(const std::string& text);

}  // namespace drydock
