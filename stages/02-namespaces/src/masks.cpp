#include "02-namespaces/masks.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "02-namespaces/mount.hpp"

namespace drydock {
namespace {

/// The file that hides files. Opened once and looked at: an image that puts a link at /dev/null
/// would have something else mounted over /proc/keys, or made writable by it (CVE-2025-31133).
UniqueFd null_device(int root) {
    UniqueFd null = open_in_root(root, "/dev/null", O_PATH);
    struct stat status{};
    check(::fstat(null.get(), &status), "fstat(/dev/null)");
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
        throw SetupError("/dev/null in the root is not the null device",
                         std::make_error_code(std::errc::no_such_device), kSetupFailed);
    }
    return null;
}

bool is_directory(int fd, const std::string& path) {
    struct stat status{};
    check(::fstat(fd, &status), "fstat({})", path);
    return S_ISDIR(status.st_mode);
}

/// An empty tmpfs that cannot be written, mounted nowhere yet; one for all masked directories.
UniqueFd empty_directory() {
    const UniqueFd context(check(::fsopen("tmpfs", FSOPEN_CLOEXEC), "fsopen(tmpfs)"));
    check(::fsconfig(context.get(), FSCONFIG_SET_STRING, "nr_inodes", "1", 0),
          "fsconfig(tmpfs, nr_inodes=1)");
    check(::fsconfig(context.get(), FSCONFIG_SET_STRING, "mode", "0555", 0),
          "fsconfig(tmpfs, mode=0555)");
    check(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0),
          "fsconfig(tmpfs, FSCONFIG_CMD_CREATE)");
    return UniqueFd(check(
        ::fsmount(context.get(), FSMOUNT_CLOEXEC,
                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC),
        "fsmount(tmpfs, MOUNT_ATTR_RDONLY)"));
}

/// The first directory gets the tmpfs itself, the others clones of it: before Linux 6.15 only what
/// is mounted in this namespace can be cloned.
void mask_directory(int target, const std::string& path, UniqueFd& empty) {
    if (empty) {
        bind_fd_at(target, empty.get(),
                   {.source = "empty tmpfs", .target = path, .flags = MS_BIND});
        return;
    }
    empty = empty_directory();
    check(::move_mount(empty.get(), "", target, "",
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
          "move_mount(empty tmpfs, {})", path);
}

}  // namespace

std::vector<std::string> default_masked_paths() {
    return {"/proc/acpi",        "/proc/asound",  "/proc/interrupts",
            "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
            "/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
            "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap"};
}

std::vector<std::string> default_readonly_paths() {
    return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

// [region: mask-paths]
void mask_paths(std::span<const std::string> paths) {
    const UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    const UniqueFd null = null_device(root.get());
    UniqueFd empty;
    for (const std::string& path : paths) {
        const UniqueFd target = open_in_root_if_there(root.get(), path, O_PATH);
        if (!target) {
            continue;
        }
        if (is_directory(target.get(), path)) {
            mask_directory(target.get(), path, empty);
        } else {
            bind_fd_at(target.get(), null.get(),
                       {.source = "/dev/null", .target = path, .flags = MS_BIND | MS_RDONLY});
        }
    }
}
// [/region]

void make_paths_readonly(std::span<const std::string> paths) {
    const UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    for (const std::string& path : paths) {
        if (const UniqueFd target = open_in_root_if_there(root.get(), path, O_PATH)) {
            bind_fd_at(target.get(), target.get(),
                       {.source = path, .target = path, .flags = MS_BIND | MS_REC | MS_RDONLY});
        }
    }
}

}  // namespace drydock
