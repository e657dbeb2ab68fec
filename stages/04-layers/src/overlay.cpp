#include "04-layers/overlay.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cassert>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

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
    data += ",index=off,redirect_dir=off,metacopy=off";
    data += overlay.userxattr ? ",userxattr" : "";
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    if (data.size() >= page) {
        throw InputError(fmt::format(
            "{} layers need {} bytes of mount options; mount(2) takes {}: use a shorter data root",
            overlay.lowers.size(), data.size(), page - 1));
    }
    return {.source = "overlay", .target = "/", .type = "overlay", .flags = 0, .data = data};
}
// [/region]

}  // namespace drydock
