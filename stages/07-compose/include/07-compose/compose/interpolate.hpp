#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace drydock::compose {

/// Where ${NAME} takes its value from; nothing when NAME is not set.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

/// `text` with $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?error}, ${NAME?error},
/// ${NAME:+value} and
/// ${NAME+value} replaced; "$$" is "$"; any other "$" stays. With ":" an empty value counts as not
/// set.
/// @param unset is told each name that has no value and no default: it becomes ""
/// @throws InputError beginning with `where`
std::string interpolate(std::string_view text, const Lookup& lookup, std::string_view where,
                        const std::function<void(const std::string&)>& unset);

/// The variables of a .env file: NAME=value, quotes, "export", comments.
/// @throws InputError naming `file` and the line
std::map<std::string, std::string> parse_env_file(std::string_view text, std::string_view file);

}  // namespace drydock::compose
