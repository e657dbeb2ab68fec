#include "07-compose/engine/archive.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "04-layers/directory.hpp"
#include "04-layers/tar_reader.hpp"
#include "04-layers/tar_writer.hpp"

namespace drydock {
namespace {

constexpr const char* kCapability = "security.capability";

/// A path's directory, whose links are followed, and its last part, which is not: docker's rule.
/// "/a/." and "/a/" are "." in "/a".
struct SplitPath {
    std::string directory{};
    std::string base{};
};
SplitPath split_path(const std::string& path) {
    const std::string whole = "/" + path;
    const auto slash = whole.rfind('/');
    SplitPath split{.directory = whole.substr(0, slash + 1), .base = whole.substr(slash + 1)};
    if (split.base.empty() || split.base == "." || split.base == "..") {
        return {.directory = whole, .base = "."};
    }
    return split;
}

struct stat status_at(int directory, const std::string& name) {
    struct stat status{};
    check(::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "fstatat({})", name);
    return status;
}

std::string link_at(int directory, const std::string& name) {
    std::array<char, 4096> target{};
    const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    return {target.data(), static_cast<std::size_t>(check(length, "readlinkat({})", name))};
}

TarType tar_type(mode_t mode) {
    return S_ISDIR(mode)    ? TarType::Directory
           : S_ISLNK(mode)  ? TarType::Symlink
           : S_ISFIFO(mode) ? TarType::Fifo
           : S_ISCHR(mode)  ? TarType::CharDevice
           : S_ISBLK(mode)  ? TarType::BlockDevice
                            : TarType::File;
}

/// Packs a tree that is in use: what goes away meanwhile is left out, what grows or shrinks has the
/// size that it had at first.
class TreePacker {
  public:
    TreePacker(TarWriter& tar, std::optional<dev_t> only_on) : tar_(tar), only_on_(only_on) {}

    void pack(int parent, const std::string& name, const std::string& path) {
        const struct stat status = status_at(parent, name);
        if (S_ISSOCK(status.st_mode)) {
            return;
        }
        TarEntry entry = describe(status, path);
        if (S_ISDIR(status.st_mode)) {
            pack_directory(open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), entry);
        } else if (!pack_link(status, entry)) {
            pack_other(parent, name, status, entry);
        }
    }

    void pack_children(int directory, const std::string& path) {
        for (const std::string& name : names_in(directory)) {
            try {
                pack(directory, name, path + name);
            } catch (const std::system_error& e) {
                if (e.code() != std::errc::no_such_file_or_directory) {
                    throw;
                }
            }
        }
    }

  private:
    static TarEntry describe(const struct stat& status, const std::string& path) {
        const bool device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
        return {.path = path,
                .type = tar_type(status.st_mode),
                .mode = status.st_mode & 07777U,
                .uid = status.st_uid,
                .gid = status.st_gid,
                .mtime = {.tv_sec = status.st_mtim.tv_sec, .tv_nsec = 0},
                .device_major = device ? major(status.st_rdev) : 0,
                .device_minor = device ? minor(status.st_rdev) : 0};
    }

    void pack_directory(const UniqueFd& directory, TarEntry entry) {
        entry.path += "/";
        tar_.add(entry);
        struct stat status{};
        check(::fstat(directory.get(), &status), "fstat({})", entry.path);
        if (!only_on_ || status.st_dev == *only_on_) {
            pack_children(directory.get(), entry.path);
        }
    }

    /// Another name of what the archive has already.
    bool pack_link(const struct stat& status, TarEntry entry) {
        if (status.st_nlink < 2) {
            return false;
        }
        const auto [first, is_new] =
            first_names_.try_emplace({status.st_dev, status.st_ino}, entry.path);
        if (is_new) {
            return false;
        }
        entry.type = TarType::HardLink;
        entry.link_target = first->second;
        tar_.add(entry);
        return true;
    }

    void pack_other(int parent, const std::string& name, const struct stat& status,
                    TarEntry& entry) {
        if (!S_ISREG(status.st_mode)) {
            entry.link_target = S_ISLNK(status.st_mode) ? link_at(parent, name) : "";
            tar_.add(entry);
            return;
        }
        const UniqueFd file = open_at(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        entry.size = status.st_size;
        std::array<char, 64> capability{};
        if (const ssize_t size =
                ::fgetxattr(file.get(), kCapability, capability.data(), capability.size());
            size > 0) {
            entry.xattrs.push_back(
                {.name = kCapability,
                 .value = std::string(capability.data(), static_cast<std::size_t>(size))});
        }
        tar_.begin(entry);
        copy_data(file.get(), entry);
    }

    void copy_data(int file, const TarEntry& entry) {
        auto left = static_cast<std::uint64_t>(entry.size);
        while (left > 0) {
            const auto wanted = std::min<std::uint64_t>(buffer_.size(), left);
            const auto got = static_cast<std::size_t>(
                check(::read(file, buffer_.data(), wanted), "read({})", entry.path));
            if (got == 0) {
                std::ranges::fill(buffer_, std::byte{0});
            }
            const std::size_t size = got == 0 ? wanted : got;
            tar_.data(std::span(buffer_).first(size));
            left -= size;
        }
    }

    TarWriter& tar_;
    std::optional<dev_t> only_on_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_{};
    std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{128} << 10U);
};

/// "a/b" of "./a//b/"; @throws InputError when it leads out
std::vector<std::string> parts_of(const std::string& path, const TarReader& archive) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        std::string part = path.substr(at, end - at);
        if (part == "..") {
            throw InputError(fmt::format("{}: expected a path that stays inside", archive.where()));
        }
        if (!part.empty() && part != ".") {
            parts.push_back(std::move(part));
        }
        at = end + 1;
    }
    return parts;
}

class TreeUnpacker {
  public:
    TreeUnpacker(int root, std::string directory, const UnpackOptions& options)
        : root_(root), directory_(std::move(directory)), options_(options) {}

    void unpack(TarReader& archive) {
        while (const TarEntry* entry = archive.next()) {
            auto parts = parts_of(entry->path, archive);
            if (parts.empty()) {
                continue;  // the directory itself, which is there
            }
            const std::string name = std::exchange(parts.back(), "");
            parts.pop_back();
            const UniqueFd parent = open_parent(parts);
            put(archive, *entry, parent.get(), name);
        }
        // Times of directories last: what is put into them changes them.
        for (auto one = times_.rbegin(); one != times_.rend(); ++one) {
            static_cast<void>(::futimens(one->first.get(), one->second.data()));
        }
    }

  private:
    UniqueFd open_parent(const std::vector<std::string>& parts) const {
        std::string path = directory_;
        for (const std::string& part : parts) {
            path += "/" + part;
        }
        return make_directories_in_root(root_, path);
    }

    void put(TarReader& archive, const TarEntry& entry, int parent, const std::string& name) {
        struct stat there{};
        const bool exists = ::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
        const bool directory = entry.type == TarType::Directory;
        if (exists && S_ISDIR(there.st_mode) != directory) {
            if (options_.keep_kinds || S_ISDIR(there.st_mode)) {
                throw InputError(fmt::format("cannot overwrite {}directory \"{}\" with {}directory",
                                             directory ? "non-" : "", entry.path,
                                             directory ? "" : "non-"));
            }
        }
        if (exists && !(directory && S_ISDIR(there.st_mode))) {
            check(::unlinkat(parent, name.c_str(), 0), "unlinkat({})", entry.path);
        }
        make(archive, entry, parent, name, exists && directory && S_ISDIR(there.st_mode));
    }

    void make(TarReader& archive, const TarEntry& entry, int parent, const std::string& name,
              bool is_there) {
        const std::array<timespec, 2> times = {entry.mtime, entry.mtime};
        if (entry.type == TarType::Directory) {
            if (!is_there) {
                check(::mkdirat(parent, name.c_str(), 0700), "mkdirat({})", entry.path);
            }
            UniqueFd directory = open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            own(directory.get(), entry);
            constexpr std::size_t kMostRemembered = 512;
            if (times_.size() < kMostRemembered) {
                times_.emplace_back(std::move(directory), times);
            }
        } else if (entry.type == TarType::File) {
            const UniqueFd file =
                open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
            write_data(archive, entry, file.get());
            own(file.get(), entry);
            for (const ExtendedAttribute& attribute : entry.xattrs) {
                if (attribute.name == kCapability) {
                    static_cast<void>(::fsetxattr(file.get(), kCapability, attribute.value.data(),
                                                  attribute.value.size(), 0));
                }
            }
            check(::futimens(file.get(), times.data()), "futimens({})", entry.path);
        } else if (entry.type == TarType::HardLink) {
            make_link(archive, entry, parent, name);
        } else {
            make_special(entry, parent, name);
            check(::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW),
                  "utimensat({})", entry.path);
        }
    }

    void make_link(TarReader& archive, const TarEntry& entry, int parent,
                   const std::string& name) const {
        auto parts = parts_of(entry.link_target, archive);
        if (parts.empty()) {
            throw InputError(fmt::format("{}: a link to nothing", archive.where()));
        }
        const std::string target = parts.back();
        parts.pop_back();
        const UniqueFd from = open_parent(parts);
        check(::linkat(from.get(), target.c_str(), parent, name.c_str(), 0), "linkat({}, {})",
              entry.link_target, entry.path);
    }

    void make_special(const TarEntry& entry, int parent, const std::string& name) const {
        if (entry.type == TarType::Symlink) {
            check(::symlinkat(entry.link_target.c_str(), parent, name.c_str()), "symlinkat({})",
                  entry.path);
        } else {
            const mode_t kind = entry.type == TarType::Fifo         ? S_IFIFO
                                : entry.type == TarType::CharDevice ? S_IFCHR
                                                                    : S_IFBLK;
            check(::mknodat(parent, name.c_str(), kind | entry.mode,
                            makedev(entry.device_major, entry.device_minor)),
                  "mknodat({})", entry.path);
        }
        const auto [uid, gid] = owner_of(entry);
        check(::fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW), "fchownat({})",
              entry.path);
    }

    [[nodiscard]] std::pair<uid_t, gid_t> owner_of(const TarEntry& entry) const {
        return options_.owner
                   ? std::pair<uid_t, gid_t>(*options_.owner)
                   : std::pair(static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid));
    }

    void own(int fd, const TarEntry& entry) const {
        const auto [uid, gid] = owner_of(entry);
        check(::fchown(fd, uid, gid), "fchown({})", entry.path);
        check(::fchmod(fd, entry.mode), "fchmod({})", entry.path);
    }

    static void write_data(TarReader& archive, const TarEntry& entry, int file) {
        while (const auto block = archive.next_block()) {
            std::size_t done = 0;
            while (done < block->bytes.size()) {
                done += static_cast<std::size_t>(
                    check(::pwrite(file, block->bytes.data() + done, block->bytes.size() - done,
                                   static_cast<off_t>(block->offset + done)),
                          "pwrite({})", entry.path));
            }
        }
        check(::ftruncate(file, entry.size), "ftruncate({})", entry.path);
    }

    int root_;
    std::string directory_;
    const UnpackOptions& options_;
    std::vector<std::pair<UniqueFd, std::array<timespec, 2>>> times_{};
};

}  // namespace

std::uint32_t go_file_mode(std::uint32_t mode) {
    std::uint32_t result = mode & 0777U;
    const auto add = [&](bool is_so, unsigned bit) { result |= is_so ? 1U << bit : 0; };
    add(S_ISDIR(mode), 31);
    add(S_ISLNK(mode), 27);
    add(S_ISBLK(mode) || S_ISCHR(mode), 26);
    add(S_ISFIFO(mode), 25);
    add(S_ISSOCK(mode), 24);
    add((mode & S_ISUID) != 0, 23);
    add((mode & S_ISGID) != 0, 22);
    add(S_ISCHR(mode), 21);
    add((mode & S_ISVTX) != 0, 20);
    return result;
}

PathStat stat_in_root(int root, const std::string& path) {
    const SplitPath split = split_path(path);
    const UniqueFd directory = open_in_root(root, split.directory, O_PATH | O_DIRECTORY);
    const struct stat status = status_at(directory.get(), split.base);
    std::string name = split.base;
    if (name == ".") {
        std::string trimmed = path;
        while (trimmed.ends_with('/') || trimmed.ends_with("/.")) {
            trimmed.pop_back();
        }
        name = trimmed.empty() || trimmed == "." ? "/" : trimmed.substr(trimmed.rfind('/') + 1);
    }
    return {.name = name,
            .size = status.st_size,
            .mode = status.st_mode,
            .modified = Time(std::chrono::seconds(status.st_mtim.tv_sec) +
                             std::chrono::nanoseconds(status.st_mtim.tv_nsec)),
            .link_target =
                S_ISLNK(status.st_mode) ? link_at(directory.get(), split.base) : std::string()};
}

void pack_path(int root, const std::string& path, const ArchiveSink& sink) {
    const SplitPath split = split_path(path);
    const UniqueFd directory = open_in_root(root, split.directory, O_RDONLY | O_DIRECTORY);
    // An error about the path itself comes before the first byte.
    static_cast<void>(status_at(directory.get(), split.base));
    TarWriter tar(sink);
    TreePacker(tar, std::nullopt).pack(directory.get(), split.base, split.base);
    tar.finish();
}

void pack_root(int root, const ArchiveSink& sink) {
    const UniqueFd directory = open_in_root(root, "/", O_RDONLY | O_DIRECTORY);
    const struct stat status = status_at(directory.get(), ".");
    TarWriter tar(sink);
    TreePacker(tar, status.st_dev).pack_children(directory.get(), "");
    tar.finish();
}

void unpack_in_root(int root, const std::string& path, int archive, const UnpackOptions& options) {
    static_cast<void>(open_in_root(root, "/" + path, O_PATH | O_DIRECTORY));
    TarReader reader(archive, "archive");
    TreeUnpacker(root, "/" + path, options).unpack(reader);
}

}  // namespace drydock
