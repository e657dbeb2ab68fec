#include "04-layers/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

namespace drydock {
namespace {

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

}  // namespace

UniqueFd make_directory(const std::filesystem::path& path) {
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory) {
        return directory;
    }
    if (errno == ENOTDIR) {
        throw InputError(fmt::format("{}: not a directory", path.native()));
    }
    if (errno != ENOENT || path.empty()) {
        check(-1, "open({}, O_RDONLY|O_DIRECTORY)", path.native());
    }
    if (!path.has_filename()) {  // "a/b/"
        return make_directory(path.parent_path());
    }
    const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
    return make_directory_at(make_directory(parent).get(), path.filename());
}

UniqueFd make_directory_at(int parent, const std::string& name) {
    if (::mkdirat(parent, name.c_str(), 0700) == 0) {
        check(::fsync(parent), "fsync(parent of {})", name);
    } else if (errno != EEXIST) {
        check(-1, "mkdir({}, mode=0700)", name);
    }
    UniqueFd directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory && errno == ENOTDIR) {
        throw InputError(fmt::format("{}: is in the way of a directory of that name", name));
    }
    check(directory.get(), "open({}, O_RDONLY|O_DIRECTORY)", name);
    return directory;
}

std::vector<std::string> names_in(int directory) {
    const std::unique_ptr<DIR, CloseDir> entries(
        ::fdopendir(open_at(directory, ".", O_RDONLY | O_DIRECTORY).release()));
    check(entries ? 0 : -1, "fdopendir(fd={})", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry =
               ::readdir(entries.get())) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (const std::string_view name = entry->d_name; name != "." && name != "..") {
            names.emplace_back(name);
        }
        errno = 0;
    }
    check(errno == 0 ? 0 : -1, "readdir(fd={})", directory);
    std::sort(names.begin(), names.end());
    return names;
}

std::string unused_name(std::string_view prefix) {
    std::uint64_t number = 0;
    check(::getrandom(&number, sizeof number, 0), "getrandom()");
    return fmt::format("{}{:016x}", prefix, number);
}

void remove_through_trash(int directory, const std::string& name, int trash) {
    const std::string dead = unused_name("");
    if (::renameat(directory, name.c_str(), trash, dead.c_str()) == -1) {
        if (errno != ENOENT) {
            check(-1, "rename({}, trash/{})", name, dead);
        }
        return;
    }
    check(::fsync(directory), "fsync(parent of {})", name);
    remove_tree(fmt::format("/proc/self/fd/{}/{}", trash, dead));
}

}  // namespace drydock
