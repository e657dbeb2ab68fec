#include "layer_directory.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <climits>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "lower_layers.hpp"
#include "metadata.hpp"
#include "quoted.hpp"
#include "refused_entry.hpp"
#include "whiteout.hpp"

namespace drydock {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string text_of(const Parts& path) {
    return fmt::format("{}", fmt::join(path, "/"));
}

Parts parent_part(const Parts& path) {
    return {path.begin(), path.end() - 1};
}

/// What is at `name`; st_mode 0 when nothing is.
struct stat status_of(int parent, const std::string& name) {
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) {
        if (errno != ENOENT) {
            check(-1, "fstatat({}, AT_SYMLINK_NOFOLLOW)", in_quotes(name));
        }
        status = {};
    }
    return status;
}

}  // namespace

// [region: parts-of]
Parts parts_of(std::string_view path) {
    Parts parts;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view part = path.substr(begin, end - begin);
        if (part == "..") {
            throw RefusedEntry("\"..\" in its path leads out of the directory above it");
        }
        if (part.size() > NAME_MAX) {
            throw RefusedEntry(fmt::format(
                "a name of {} bytes in its path; at most {} are possible", part.size(), NAME_MAX));
        }
        if (!part.empty() && part != ".") {
            parts.emplace_back(part);
        }
        begin = end + 1;
    }
    return parts;
}
// [/region]

LayerDirectory::LayerDirectory(int root, const ApplyOptions& options)
    : root_(root), options_(options) {
    if (!options_.lowers.empty()) {
        take_metadata_from_lowers(root_, {});
    }
}

int LayerDirectory::parent_of(const Parts& path) {
    return enter(parent_part(path));
}

// [region: enter-directory]
int LayerDirectory::enter(const Parts& directory) {
    // Archives go through directories in order: most of the way is open already.
    const auto common =
        std::mismatch(entered_.begin(), entered_.end(), directory.begin(), directory.end());
    const auto depth = static_cast<std::size_t>(common.first - entered_.begin());
    entered_.resize(depth);
    open_.resize(depth);
    while (entered_.size() < directory.size()) {
        const int above = open_.empty() ? root_ : open_.back().get();
        const Parts path(directory.begin(),
                         directory.begin() + static_cast<std::ptrdiff_t>(open_.size()) + 1);
        open_.push_back(open_or_make(above, path));
        entered_.push_back(path.back());
    }
    return open_.empty() ? root_ : open_.back().get();
}
// [/region]

UniqueFd LayerDirectory::open_or_make(int parent, const Parts& path) {
    const std::string& name = path.back();
    UniqueFd fd(::openat(parent, name.c_str(), kOpenDirectory));
    if (fd) {
        return fd;
    }
    const struct stat there = status_of(parent, name);
    if (S_ISLNK(there.st_mode)) {
        throw RefusedEntry(fmt::format("is below {}, which this layer makes a symbolic link",
                                       in_quotes(text_of(path))));
    }
    const bool over_whiteout = is_overlay_whiteout(there.st_mode, there.st_rdev);
    if (there.st_mode != 0 && !over_whiteout) {
        throw RefusedEntry(
            fmt::format("is below {}, which is not a directory", in_quotes(text_of(path))));
    }
    if (over_whiteout) {
        check(::unlinkat(parent, name.c_str(), 0), "unlink({})", in_quotes(name));
    }
    check(::mkdirat(parent, name.c_str(), 0755), "mkdir({}, mode=0755)", in_quotes(name));
    fd = open_at(parent, name, kOpenDirectory);
    if (over_whiteout) {
        set_opaque(fd.get());
    } else {
        take_metadata_from_lowers(fd.get(), path);
    }
    return fd;
}

void LayerDirectory::take_metadata_from_lowers(int fd, const Parts& path) {
    const UniqueFd lower = find_in_lowers(options_.lowers, path, options_.overlay_namespace);
    if (!lower) {
        check(::fchmod(fd, 0755), "fchmod({}, 0755)",
              in_quotes(text_of(path)));  // whatever the umask is
        return;
    }
    struct stat status{};
    check(::fstat(lower.get(), &status), "fstat({})", in_quotes(text_of(path)));
    set_owner_and_attributes(fd, {.path = text_of(path),
                                  .uid = status.st_uid,
                                  .gid = status.st_gid,
                                  .xattrs = portable_attributes(lower.get())});
    remember(path, {.mode = status.st_mode & 07777U, .mtime = status.st_mtim});
}

UniqueFd LayerDirectory::open_existing(const Parts& directory) const {
    UniqueFd fd = open_at(root_, ".", O_RDONLY | O_DIRECTORY);
    for (const std::string& part : directory) {
        fd = UniqueFd(::openat(fd.get(), part.c_str(), kOpenDirectory));
        if (!fd) {
            return fd;
        }
    }
    return fd;
}

LayerDirectory::Cleared LayerDirectory::clear(const Parts& path, int parent, bool keep_directory) {
    const std::string& name = path.back();
    const struct stat there = status_of(parent, name);
    if (there.st_mode == 0) {
        return Cleared::Nothing;
    }
    if (!S_ISDIR(there.st_mode)) {
        check(::unlinkat(parent, name.c_str(), 0), "unlink({})", in_quotes(name));
        return is_overlay_whiteout(there.st_mode, there.st_rdev) ? Cleared::Whiteout
                                                                 : Cleared::Other;
    }
    if (!keep_directory) {
        remove_tree(fmt::format("/proc/self/fd/{}/{}", parent, name));
        forget_below(path);
    }
    return Cleared::Other;
}

UniqueFd LayerDirectory::make_file(const Parts& path) {
    const int parent = parent_of(path);
    clear(path, parent, false);
    // O_EXCL: a new file. What was there may share its bytes, by a hard link, with another name.
    return open_at(parent, path.back(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

void LayerDirectory::make_directory(const Parts& path, const TarEntry& entry) {
    UniqueFd fd;
    if (path.empty()) {
        fd = open_existing(path);
    } else {
        const int parent = parent_of(path);
        const Cleared cleared = clear(path, parent, true);
        if (::mkdirat(parent, path.back().c_str(), 0700) == -1 && errno != EEXIST) {
            check(-1, "mkdir({}, mode=0700)", in_quotes(entry.path));
        }
        fd = open_at(parent, path.back(), kOpenDirectory);
        if (cleared == Cleared::Whiteout) {
            set_opaque(fd.get());
        }
    }
    set_owner_and_attributes(fd.get(), entry);
    remember(path, {.mode = entry.mode, .mtime = entry.mtime});
}

void LayerDirectory::make_symlink(const Parts& path, const TarEntry& entry) {
    const int parent = parent_of(path);
    clear(path, parent, false);
    check(::symlinkat(entry.link_target.c_str(), parent, path.back().c_str()), "symlink({}, {})",
          in_quotes(entry.link_target), in_quotes(entry.path));
    set_metadata_at(parent, path.back(), entry);
}

void LayerDirectory::make_node(const Parts& path, const TarEntry& entry) {
    const dev_t device = makedev(entry.device_major, entry.device_minor);
    const mode_t type = entry.type == TarType::Fifo         ? S_IFIFO
                        : entry.type == TarType::CharDevice ? S_IFCHR
                                                            : S_IFBLK;
    if (is_overlay_whiteout(type, device)) {
        throw RefusedEntry(
            "a character device 0:0 would hide files of lower layers; expected a .wh. file for "
            "that");
    }
    const int parent = parent_of(path);
    clear(path, parent, false);
    check(::mknodat(parent, path.back().c_str(), type | 0600U, type == S_IFIFO ? 0 : device),
          "mknod({}, device={}:{})", in_quotes(entry.path), entry.device_major, entry.device_minor);
    set_metadata_at(parent, path.back(), entry);
}

void LayerDirectory::make_hard_link(const Parts& path, const TarEntry& entry) {
    const Parts target = parts_of(entry.link_target);
    if (target.empty() || target == path) {
        throw RefusedEntry(
            fmt::format("is a hard link to {}", target.empty() ? "a directory" : "itself"));
    }
    static constexpr struct stat kNothing{};
    const UniqueFd from = open_existing(parent_part(target));
    const struct stat there = from ? status_of(from.get(), target.back()) : kNothing;
    if (there.st_mode == 0 || S_ISDIR(there.st_mode) ||
        is_overlay_whiteout(there.st_mode, there.st_rdev)) {
        throw RefusedEntry(
            fmt::format("is a hard link to {}, which is no earlier file of this layer",
                        in_quotes(entry.link_target)));
    }
    const int parent = parent_of(path);
    clear(path, parent, false);
    // Without AT_SYMLINK_FOLLOW a link to a symbolic link is another name of that link.
    check(::linkat(from.get(), target.back().c_str(), parent, path.back().c_str(), 0),
          "link({}, {})", in_quotes(entry.link_target), in_quotes(entry.path));
}

// [region: make-whiteout]
void LayerDirectory::make_whiteout(const Parts& path) {
    const int parent = parent_of(path);
    const struct stat there = status_of(parent, path.back());
    if (S_ISDIR(there.st_mode)) {
        // This layer has a directory of that name: it stays, and the lower one does not shine
        // through.
        set_opaque(open_at(parent, path.back(), kOpenDirectory).get());
    } else if (there.st_mode == 0) {
        check(::mknodat(parent, path.back().c_str(), S_IFCHR, makedev(0, 0)),
              "mknod({}, S_IFCHR, device=0:0)", in_quotes(text_of(path)));
    }
}
// [/region]

void LayerDirectory::make_opaque(const Parts& directory) {
    if (directory.empty()) {
        // overlayfs does not look for the mark on the root itself.
        throw NotImplemented("an opaque whiteout of the root directory");
    }
    set_opaque(enter(directory));
}

void LayerDirectory::set_opaque(int fd) const {
    const std::string attribute = opaque_attribute(options_.overlay_namespace);
    check(::fsetxattr(fd, attribute.c_str(), "y", 1, 0), "fsetxattr(directory, {}, y)", attribute);
}

void LayerDirectory::remember(const Parts& path, const Later& later) {
    const std::string text = text_of(path);
    constexpr std::size_t kLimit = std::size_t{64} << 20U;
    if (later_.insert_or_assign(text, later).second) {
        remembered_bytes_ += text.size() + sizeof(Later);
    }
    if (remembered_bytes_ > kLimit) {
        throw RefusedEntry(
            fmt::format("the paths of the directories are longer than {} bytes together", kLimit));
    }
}

void LayerDirectory::forget_below(const Parts& path) {
    const std::string text = text_of(path);
    later_.erase(text);
    const auto begin = later_.lower_bound(text + "/");
    later_.erase(begin, later_.lower_bound(text + "0"));  // "0" is the character after "/"
}

void LayerDirectory::finish() {
    // Backwards, so that a directory is closed only when all below it is done.
    for (auto it = later_.rbegin(); it != later_.rend(); ++it) {
        const auto& [path, later] = *it;
        const UniqueFd fd = open_existing(parts_of(path));
        if (!fd) {
            check(-1, "open({}, O_DIRECTORY|O_NOFOLLOW)", in_quotes(path));
        }
        check(::fchmod(fd.get(), later.mode), "fchmod({}, {:#o})", in_quotes(path), later.mode);
        const std::array<timespec, 2> times{later.mtime, later.mtime};
        check(::futimens(fd.get(), times.data()), "futimens({}, {})", in_quotes(path),
              later.mtime.tv_sec);
    }
}

}  // namespace drydock
