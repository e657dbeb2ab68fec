#include "01-chroot/chroot.hpp"

#include <unistd.h>

#include "01-chroot/check.hpp"

namespace drydock {

// [region: chroot-to]
void chroot_to(const std::filesystem::path& rootfs) {
    check(::chroot(rootfs.c_str()), "chroot(path={})", rootfs.native());
    // chroot leaves the working directory where it was, outside: from there ".." goes up to the
    // real root.
    check(::chdir("/"), "chdir(path=/)");
}
// [/region]

}  // namespace drydock
