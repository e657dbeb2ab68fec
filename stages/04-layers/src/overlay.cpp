#include "04-layers/overlay.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cassert>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "whiteout.hpp"

namespace drydock {
namespace {

const std::string& checked(const std::filesystem::path& path) {
    if (path.native().find_first_of(",:\\ \t\n\"") != std::string::npos) {
        throw InputError(fmt::format(
            "{}: overlayfs gives some of its characters a meaning; expected a path without "
            "blanks and , : \\ \"",
            path.native()));
    }
    return path.native();
}

}  // namespace

// [region: overlay-mount]
MountSpec overlay_mount(const Overlay& overlay) {
    assert(!overlay.lowers.empty());
    constexpr std::size_t kMaxLowers = 500;  // OVL_MAX_STACK
    if (overlay.lowers.size() > kMaxLowers) {
        throw InputError(fmt::format("{} layers: overlayfs takes {} at most", overlay.lowers.size(),
                                     kMaxLowers));
    }
    std::string data = "lowerdir=";
    for (const auto& lower : overlay.lowers) {
        data += (&lower == &overlay.lowers.front() ? "" : ":") + checked(lower);
    }
    if (!overlay.upper.empty()) {
        data +=
            fmt::format(",upperdir={},workdir={}", checked(overlay.upper), checked(overlay.work));
    }
    // Whatever the kernel's defaults are: a diff must find whole files and directories in the upper
    // directory.
    // (With userxattr there is no redirect_dir, and to ask for its absence is an error.)
    const bool userxattr = overlay.userxattr || overlay_needs_user_attributes();
    data += userxattr ? ",index=off,metacopy=off,userxattr"
                      : ",index=off,redirect_dir=off,metacopy=off";
    return {.source = "overlay", .target = "/", .type = "overlay", .flags = 0, .data = data};
}
// [/region]

}  // namespace drydock
