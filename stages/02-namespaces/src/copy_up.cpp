#include "copy_up.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <climits>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

std::vector<std::string> entries_of(int directory) {
    struct Close {
        void operator()(DIR* stream) const { ::closedir(stream); }
    };
    UniqueFd fd = open_at(directory, ".", O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, Close> stream(::fdopendir(fd.get()));
    check(stream ? 0 : -1, "fdopendir()");
    static_cast<void>(fd.release());
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    return names;
}

void copy_attributes(int from, int to) {
    std::vector<char> names(XATTR_LIST_MAX);
    const ssize_t size = ::flistxattr(from, names.data(), names.size());
    std::vector<char> value(XATTR_SIZE_MAX);
    for (ssize_t at = 0; at < size;) {
        const std::string name = &names[static_cast<std::size_t>(at)];
        at += static_cast<ssize_t>(name.size()) + 1;
        const ssize_t n = ::fgetxattr(from, name.c_str(), value.data(), value.size());
        // What a tmpfs does not take (labels, lists of access rights) stays behind.
        if (n >= 0) {
            static_cast<void>(
                ::fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(n), 0));
        }
    }
}

void copy_bytes(int from, int to, const std::string& name) {
    constexpr std::size_t kAtOnce = std::size_t{1} << 30U;
    while (check(::sendfile(to, from, nullptr, kAtOnce), "sendfile({})", name) > 0) {
    }
}

void copy_link(int from, int to, const std::string& name) {
    std::array<char, PATH_MAX> target{};
    check(::readlinkat(from, name.c_str(), target.data(), target.size() - 1), "readlink({})", name);
    check(::symlinkat(target.data(), to, name.c_str()), "symlink({}, {})", target.data(), name);
}

void set_owner_mode_times(int to, const std::string& name, const struct stat& status) {
    check(::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW),
          "fchownat({})", name);
    if (!S_ISLNK(status.st_mode)) {
        // After the owner: a change of owner takes set-user-ID bits away.
        check(::fchmodat(to, name.c_str(), status.st_mode & 07777U, 0), "fchmodat({})", name);
    }
    const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    check(::utimensat(to, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), "utimensat({})", name);
}

void copy_entry(int from, int to, const std::string& name, const struct stat& status) {
    constexpr mode_t kWhileCopied = 0600;
    if (S_ISDIR(status.st_mode)) {
        check(::mkdirat(to, name.c_str(), 0700), "mkdir({})", name);
        const UniqueFd source = open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        const UniqueFd copy = open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        copy_directory(source.get(), copy.get());
    } else if (S_ISREG(status.st_mode)) {
        const UniqueFd source = open_at(from, name, O_RDONLY | O_NOFOLLOW);
        const UniqueFd copy =
            open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kWhileCopied);
        copy_bytes(source.get(), copy.get(), name);
        copy_attributes(source.get(), copy.get());
    } else if (S_ISLNK(status.st_mode)) {
        copy_link(from, to, name);
    } else {
        check(::mknodat(to, name.c_str(), (status.st_mode & S_IFMT) | kWhileCopied, status.st_rdev),
              "mknod({})", name);
    }
    set_owner_mode_times(to, name, status);
}

}  // namespace

void copy_directory(int from, int to) {
    struct stat own{};
    check(::fstat(from, &own), "fstat(directory to copy)");
    for (const std::string& name : entries_of(from)) {
        struct stat status{};
        check(::fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "fstatat({})", name);
        if (status.st_dev == own.st_dev) {
            copy_entry(from, to, name, status);
        }
    }
}

}  // namespace drydock
