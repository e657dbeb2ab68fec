#include "02-namespaces/namespaces.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

namespace drydock {
namespace {

bool holds(const char* path, std::string_view value) {
    try {
        return read_file(path).starts_with(value);
    } catch (const std::system_error&) {
        return false;  // a kernel without that switch
    }
}

/// Whether "/" is a directory inside a mount: so it is after chroot(2), but not after
/// pivot_root(2).
bool is_in_chroot() {
    struct statx root{};
    return ::statx(AT_FDCWD, "/", 0, 0, &root) == 0 &&
           (root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
           (root.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0;
}

std::string reason() {
    if (is_in_chroot()) {
        return "the kernel makes none in a chroot (user_namespaces(7)); leave it";
    }
    if (holds("/proc/sys/user/max_user_namespaces", "0\n")) {
        return "the sysctl user.max_user_namespaces is 0";
    }
    if (holds("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
        return "the sysctl kernel.unprivileged_userns_clone is 0; set it to 1";
    }
    if (holds("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
        return "AppArmor allows them to no program without a profile; set the sysctl "
               "kernel.apparmor_restrict_unprivileged_userns to 0";
    }
    return "the kernel refuses them";
}

/// @return 0, or the errno of what cannot be done in a new user namespace
int try_one() {
    // Under AppArmor's restriction the namespace can be made, but whoever is in it can do nothing.
    Child child = clone_child(CLONE_NEWUSER);
    if (!child) {
        ::_exit(::unshare(CLONE_NEWNS) == -1 ? errno : 0);
    }
    return child.wait();
}

}  // namespace

std::uint64_t default_namespaces() {
    return CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC |
           std::uint64_t{CLONE_NEWCGROUP};
}

bool may_make_namespaces() {
    return has_capabilities(capability("CAP_SYS_ADMIN"));
}

void require_user_namespaces() {
    int error = 0;
    try {
        error = try_one();
    } catch (const std::system_error& e) {
        error = e.code().value();
    }
    if (error != 0) {
        throw SetupError(
            fmt::format("no root and no user namespaces: {}, or run as root", reason()),
            std::error_code(error, std::generic_category()), kSetupFailed);
    }
}

}  // namespace drydock
