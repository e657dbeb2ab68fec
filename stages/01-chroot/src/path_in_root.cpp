#include "01-chroot/path_in_root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

// [region: open-in-root]
/// The descriptor, or -1 with errno.
long resolve_in_root(int root, const std::string& path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<__u64>(flags | O_CLOEXEC);
    how.mode = mode;
    // Magic links (/proc/PID/root, /proc/PID/fd/N) jump to an object, past any root.
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    long fd = -1;
    // EAGAIN: somebody renamed a directory of the path meanwhile, so ".." could not be judged. 128
    // is what libpathrs tries.
    for (int attempt = 0; attempt < 128; ++attempt) {
        fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
        if (fd != -1 || errno != EAGAIN) {
            break;
        }
    }
    return fd;
}
// [/region]

}  // namespace

UniqueFd open_in_root(int root, const std::string& path, int flags, mode_t mode) {
    const long fd = resolve_in_root(root, path, flags, mode);
    return UniqueFd(static_cast<int>(
        check(fd, "openat2({}, flags={:#o}, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)", path,
              flags)));
}

UniqueFd open_in_root_if_there(int root, const std::string& path, int flags) {
    const long fd = resolve_in_root(root, path, flags, 0);
    if (fd == -1 && errno == ENOENT) {
        return {};
    }
    return UniqueFd(static_cast<int>(
        check(fd, "openat2({}, flags={:#o}, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)", path,
              flags)));
}

UniqueFd make_directories_in_root(int root, const std::string& path, mode_t mode) {
    if (UniqueFd there = open_in_root_if_there(root, path, O_PATH | O_DIRECTORY)) {
        return there;
    }
    UniqueFd directory = open_in_root(root, ".", O_PATH | O_DIRECTORY);
    std::string done;
    for (const auto& part : std::filesystem::path(path).relative_path()) {
        if (part.empty() || part == ".") {
            continue;
        }
        // mkdirat takes a single new name below a descriptor, so there is nothing left in it to be
        // redirected. A ".." or a symbolic link among the parts is there already (EEXIST) and is
        // resolved in the root, from the top.
        if (::mkdirat(directory.get(), part.c_str(), mode) == -1 && errno != EEXIST) {
            check(-1, "mkdir({}/{}, mode={:#o})", done, part.native(), mode);
        }
        done += "/" + part.native();
        directory = open_in_root(root, done, O_PATH | O_DIRECTORY);
    }
    return directory;
}

}  // namespace drydock
