#include "01-chroot/temp_dir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

// By descriptors from the top down, so that a link put in our way is removed, not followed.
void empty_directory(int dir_fd, dev_t device) {
    const std::unique_ptr<DIR, CloseDir> entries(::fdopendir(::fcntl(dir_fd, F_DUPFD_CLOEXEC, 0)));
    check(entries ? 0 : -1, "fdopendir(fd={})", dir_fd);
    // The duplicate shares its position with dir_fd, which an earlier reader may have moved.
    ::rewinddir(entries.get());
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string name = entry->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        struct stat status{};
        check(::fstatat(dir_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "fstatat({})", name);
        if (S_ISDIR(status.st_mode)) {
            if (status.st_dev != device) {
                continue;
            }
            // A directory without w or x for its owner would keep its entries from us (root needs
            // no such thing).
            if (::fchmodat(dir_fd, name.c_str(), 0700, 0) == -1 && errno != EPERM) {
                check(-1, "fchmodat({}, 0700)", name);
            }
            const UniqueFd child = open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            empty_directory(child.get(), device);
            check(::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR), "rmdir({})", name);
        } else {
            check(::unlinkat(dir_fd, name.c_str(), 0), "unlink({})", name);
        }
    }
}

}  // namespace

TempDir::TempDir(std::string_view prefix, const std::filesystem::path& parent) {
    std::string name =
        ((parent.empty() ? std::filesystem::temp_directory_path() : parent) / prefix).native() +
        ".XXXXXX";
    check(::mkdtemp(name.data()) == nullptr ? -1 : 0, "mkdtemp({})", name);
    path_ = name;
}

TempDir::~TempDir() {
    if (!path_.empty()) {
        try {
            remove_tree(path_);
        } catch (
            ...) {  // NOLINT(bugprone-empty-catch): best effort; remove_tree() is the checked twin
        }
    }
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

void remove_tree(const std::filesystem::path& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) == -1 && errno == ENOENT) {
        return;
    }
    if (S_ISDIR(status.st_mode)) {
        const UniqueFd dir = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        empty_directory(dir.get(), status.st_dev);
        check(::rmdir(path.c_str()), "rmdir({})", path.native());
    } else {
        check(::unlink(path.c_str()), "unlink({})", path.native());
    }
}

}  // namespace drydock
