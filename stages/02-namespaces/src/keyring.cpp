#include "02-namespaces/keyring.hpp"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "01-chroot/check.hpp"

namespace drydock {

// [region: join-keyring]
void join_keyring(const std::string& name) {
    const long keyring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
    if (keyring == -1 && errno == ENOSYS) {
        return;
    }
    check(keyring, "keyctl(KEYCTL_JOIN_SESSION_KEYRING, {})", name);
    // Its possessor may do anything, its owner view, read, search and link: `exec` finds it by its
    // name that way.
    constexpr unsigned kPermissions = 0x3f1b0000;
    // That it may not be changed is so when another process made it: then it is right already.
    static_cast<void>(::syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, kPermissions));
}
// [/region]

}  // namespace drydock
