#include "whiteout.hpp"

#include <sys/stat.h>

namespace drydock {

bool is_overlay_whiteout(unsigned mode, unsigned long device) noexcept {
    return S_ISCHR(mode) && device == 0;
}

std::string opaque_attribute(std::string_view overlay_namespace) {
    return std::string(overlay_namespace) + ".overlay.opaque";
}

bool is_portable_attribute(std::string_view name) noexcept {
    // Set from outside, overlay's marks would make it show or hide what it should not, and a label
    // of SELinux or IMA would be the host's word for a file that a stranger made.
    if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) {
        return false;
    }
    return name.starts_with("user.") || name.starts_with("trusted.") ||
           name == "security.capability" || name == "system.posix_acl_access" ||
           name == "system.posix_acl_default";
}

}  // namespace drydock
