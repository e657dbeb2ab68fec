#pragma once

// Text that an image, a bundle or a server chose, on its way to somebody's terminal, which would
// obey the escape sequences in it: set the clipboard, rewrite what was said before, answer as if it
// had been typed.

#include <string>
#include <string_view>

namespace drydock {

/// `text` with what a terminal would obey written out: "\x1b" for the escape character. That is
/// every control character (C0, DEL, and C1 in UTF-8) but the tab. @param keep_lines leave line
/// ends as they are
std::string printable(std::string_view text, bool keep_lines = false);

}  // namespace drydock
