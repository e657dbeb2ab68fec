#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace drydock {

/// Two words for a container that nobody named, "brisk_anchor"; with a number behind them once
/// `taken` says that the plain ones are in use.
std::string new_container_name(const std::function<bool(const std::string&)>& taken);

/// `name` without a leading "/", when it is a container name: [a-zA-Z0-9][a-zA-Z0-9_.-]+
/// @throws InputError in docker's words, which scripts look for
std::string checked_container_name(std::string_view name);

}  // namespace drydock
