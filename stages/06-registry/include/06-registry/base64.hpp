#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drydock {

/// With padding. @param url in the alphabet with - and _
std::string to_base64(std::string_view bytes, bool url = false);
/// Either alphabet, padded or not; nothing for what is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace drydock
