#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// The value of a variable, nothing when it is not set.
using LookUpVariable = std::function<std::optional<std::string>(const std::string& name)>;

/// Replaces $v, ${v}, ${v:-w}, ${v-w}, ${v:+w}, ${v+w}, ${v:?e} and ${v?e}, ${v#p}, ${v##p},
/// ${v%p},
/// ${v%%p}, ${v/p/r} and ${v//p/r}, and takes quotes and escapes away, as a shell does for one
/// word. What is not set is empty. In a pattern p, "*" is any text and "?" any character.
/// @param escape the Dockerfile's escape character
/// @throws InputError for a form that is none of these, an open brace or quote, and for :? and ?
std::string expand(std::string_view text, const LookUpVariable& look_up, char escape);

/// The same for the text of a heredoc: quotes are text there, and "\\" is the escape character.
std::string expand_heredoc(std::string_view text, const LookUpVariable& look_up);

/// Splits at white space outside of quotes; quotes and escapes stay as they are, for expand().
std::vector<std::string> split_words(std::string_view text, char escape);

}  // namespace drydock
