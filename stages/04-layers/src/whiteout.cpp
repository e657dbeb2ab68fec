#include "whiteout.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <sstream>

#include "01-chroot/file.hpp"

namespace drydock {

bool is_overlay_whiteout(unsigned mode, unsigned long device) noexcept {
    return S_ISCHR(mode) && device == 0;
}

bool overlay_needs_user_attributes() {
    // "0 0 4294967295" in the first user namespace: there is no other way to ask the kernel.
    static const bool needs = [] {
        std::istringstream map(read_file("/proc/self/uid_map"));
        std::uint64_t inside = 0;
        std::uint64_t outside = 0;
        std::uint64_t count = 0;
        map >> inside >> outside >> count;
        return count != 0xffffffffU;
    }();
    return needs;
}

std::string opaque_attribute(std::string_view overlay_namespace) {
    const bool in_user = overlay_namespace == "trusted" && overlay_needs_user_attributes();
    return std::string(in_user ? "user" : overlay_namespace) + ".overlay.opaque";
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
