#pragma once

#include <string_view>

namespace drydock {

/// The number of "SIGTERM", "TERM", "term" or "15".
/// @throws InputError "Invalid signal: x"
int parse_signal(std::string_view text);

}  // namespace drydock
