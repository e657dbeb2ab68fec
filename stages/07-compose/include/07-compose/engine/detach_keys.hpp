#pragma once

#include <string>
#include <string_view>

namespace drydock {

/// The bytes of a sequence as docker's --detach-keys has it: "ctrl-p,ctrl-q", "a", "ctrl-@"; ""
/// is the default, ctrl-p,ctrl-q.
/// @throws InputError "Invalid detach keys (x) provided"
std::string parse_detach_keys(std::string_view text);

}  // namespace drydock
