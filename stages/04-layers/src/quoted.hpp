#pragma once

#include <string>
#include <string_view>

namespace drydock {

/// `text` in quotes, on one line, whatever is in it: for names that a stranger chose.
std::string in_quotes(std::string_view text);

}  // namespace drydock
