#include "02-namespaces/dev.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

#include "mount_place.hpp"

namespace drydock {
namespace {

constexpr std::array kLinks = {
    std::pair{"fd", "/proc/self/fd"},       std::pair{"stdin", "/proc/self/fd/0"},
    std::pair{"stdout", "/proc/self/fd/1"}, std::pair{"stderr", "/proc/self/fd/2"},
    std::pair{"ptmx", "pts/ptmx"},  // of this container's own devpts: /dev/ptmx of the host opens
                                    // the host's
};

bool is_device(const struct stat& status, const DeviceNode& device) {
    return (status.st_mode & S_IFMT) == device.type &&
           (device.type == S_IFIFO || status.st_rdev == makedev(device.major, device.minor));
}

/// Only that device, whatever stands at its path on the host.
void bind_device(int parent, const std::string& name, const DeviceNode& device) {
    const UniqueFd source = open_file(device.path, O_PATH | O_NOFOLLOW);
    struct stat status{};
    check(::fstat(source.get(), &status), "fstat({})", device.path);
    if (!is_device(status, device)) {
        throw SetupError(fmt::format("{} of the host is not device {}:{}", device.path,
                                     device.major, device.minor),
                         std::make_error_code(std::errc::no_such_device), kSetupFailed);
    }
    const UniqueFd target = open_at(parent, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    bind_fd_at(target.get(), source.get(),
               {.source = device.path, .target = device.path, .flags = MS_BIND});
}

/// @return false when it is there already, as the very device it should be
bool make_node(int parent, const std::string& name, const DeviceNode& device) {
    const dev_t number = makedev(device.major, device.minor);
    const int rc = ::mknodat(parent, name.c_str(), device.type | device.mode, number);
    if (rc == -1 && errno == EEXIST) {
        struct stat status{};
        check(::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "fstatat({})",
              device.path);
        if (!is_device(status, device)) {
            throw InputError(
                fmt::format("device {}: there is something else in the root already", device.path));
        }
        return false;
    }
    if (rc == -1 && errno == EPERM) {
        bind_device(parent, name, device);
        return false;
    }
    check(rc, "mknod({}, mode={:#o}, dev={}:{})", device.path, device.type | device.mode,
          device.major, device.minor);
    return true;
}

void make_device(int root, const DeviceNode& device) {
    const std::filesystem::path path = device.path;
    const UniqueFd parent = make_directories_in_root(root, path.parent_path().native());
    const std::string name = path.filename().native();
    if (!make_node(parent.get(), name, device)) {
        return;
    }
    if (device.uid != 0 || device.gid != 0) {
        check(::fchownat(parent.get(), name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW),
              "fchownat({}, {}, {})", device.path, device.uid, device.gid);
    }
}

/// The root's own /dev, not what a link in its place leads to (CVE-2026-41579).
UniqueFd own_dev(int root) {
    UniqueFd dev = make_directories_in_root(root, "/dev");
    if (const std::string place = place_in_root(root, dev.get()); place != "/dev") {
        throw InputError(fmt::format(
            "/dev: a symbolic link of the root leads to {} instead; expected a directory", place));
    }
    return dev;
}

}  // namespace

std::vector<MountSpec> default_mounts(const MountChoices& choices) {
    constexpr unsigned long kPlain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    const std::string terminals = "newinstance,ptmxmode=0666,mode=0620";
    std::vector<MountSpec> mounts = {
        {.source = "proc", .target = "/proc", .type = "proc", .flags = kPlain},
        {.source = "tmpfs",
         .target = "/dev",
         .type = "tmpfs",
         .flags = MS_NOSUID | MS_STRICTATIME,
         .data = "mode=755,size=65536k"},
        {.source = "devpts",
         .target = "/dev/pts",
         .type = "devpts",
         .flags = MS_NOSUID | MS_NOEXEC,
         .data = choices.maps_tty_group ? terminals + ",gid=5" : terminals},
        {.source = "shm",
         .target = "/dev/shm",
         .type = "tmpfs",
         .flags = kPlain,
         .data = "mode=1777,size=65536k"},
        {.source = "mqueue", .target = "/dev/mqueue", .type = "mqueue", .flags = kPlain},
    };
    if (choices.host_network && choices.user_namespace) {
        // sysfs shows a network namespace, and that one is not ours to show: the kernel refuses a
        // new sysfs.
        mounts.push_back(
            {.source = "/sys", .target = "/sys", .flags = MS_BIND | MS_REC | kPlain | MS_RDONLY});
    } else {
        mounts.push_back(
            {.source = "sysfs", .target = "/sys", .type = "sysfs", .flags = kPlain | MS_RDONLY});
    }
    return mounts;
}

std::vector<DeviceNode> default_devices() {
    return {
        {.path = "/dev/null", .type = S_IFCHR, .major = 1, .minor = 3},
        {.path = "/dev/zero", .type = S_IFCHR, .major = 1, .minor = 5},
        {.path = "/dev/full", .type = S_IFCHR, .major = 1, .minor = 7},
        {.path = "/dev/random", .type = S_IFCHR, .major = 1, .minor = 8},
        {.path = "/dev/urandom", .type = S_IFCHR, .major = 1, .minor = 9},
        {.path = "/dev/tty", .type = S_IFCHR, .major = 5, .minor = 0},
    };
}

// [region: make-devices]
void make_devices(const std::filesystem::path& rootfs, std::span<const DeviceNode> devices) {
    if (devices.empty()) {
        return;
    }
    const UniqueFd root = open_file(rootfs, O_PATH | O_DIRECTORY);
    static_cast<void>(own_dev(root.get()));
    // Instead of a chmod afterwards, of what may have that name by then.
    const mode_t mask = ::umask(0);
    for (const DeviceNode& device : devices) {
        make_device(root.get(), device);
    }
    ::umask(mask);
}
// [/region]

void make_device_links(const std::filesystem::path& rootfs) {
    const UniqueFd root = open_file(rootfs, O_PATH | O_DIRECTORY);
    const UniqueFd dev = own_dev(root.get());
    for (const auto& [name, target] : kLinks) {
        const int rc = ::symlinkat(target, dev.get(), name);
        if (rc == -1 && errno == EEXIST) {
            continue;  // a root that brings its own /dev
        }
        check(rc, "symlink({}, /dev/{})", target, name);
    }
}

}  // namespace drydock
