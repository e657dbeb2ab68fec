#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace drydock {

/// How many bytes the UTF-8 sequence at the beginning of `text` has; 0 when it is none.
/// @see The Unicode Standard, table 3-7
std::size_t utf8_length(std::string_view text);

/// How many bytes the escape at the beginning of `text` has ("\\n" 2, "\\u00e4" 6, a surrogate pair
/// 12); 0 when it stands for no character.
/// @see RFC 8259, section 7
std::size_t json_escape_length(std::string_view text);

/// What is between the quotes of a JSON string, without escapes.
std::string decoded_json(std::string_view text);

}  // namespace drydock
