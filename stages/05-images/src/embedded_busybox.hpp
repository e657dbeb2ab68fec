#pragma once

#include <string_view>

namespace drydock {

// Files that were put into this program when it was built.

/// The static busybox of the distribution it was built on.
std::string_view embedded_busybox();
/// Its copyright notice.
std::string_view embedded_copyright();
/// The names it can be called by, one a line.
std::string_view embedded_applets();

/// When that busybox was last changed: RFC 3339.
const char* embedded_busybox_time() noexcept;

}  // namespace drydock
