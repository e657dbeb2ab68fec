#include "metadata.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include <fmt/format.h>

#include "01-chroot/check.hpp"

#include "quoted.hpp"
#include "refused_entry.hpp"
#include "whiteout.hpp"

namespace drydock {
namespace {

uid_t checked_id(std::int64_t id, const char* what) {
    // The largest one means "leave it" to chown(2).
    if (id < 0 || id >= std::numeric_limits<uid_t>::max()) {
        throw RefusedEntry(
            fmt::format("{} {} is out of range; expected 0 to 4294967294", what, id));
    }
    return static_cast<uid_t>(id);
}

bool may_set(std::string_view attribute) {
    return is_portable_attribute(attribute) && (::geteuid() == 0 || attribute.starts_with("user."));
}

/// By a path, because the *at form of setxattr(2) came with Linux 6.13 only. No part of it is a
/// stranger's but the last, which the l-calls do not follow.
std::string path_below(int parent, const std::string& name) {
    return fmt::format("/proc/self/fd/{}/{}", parent, name);
}

/// @return whether it is fine to go on: a filesystem that has no such attributes cannot keep them
bool is_unsupported(int rc) {
    return rc == -1 && errno == EOPNOTSUPP;
}

std::array<timespec, 2> times_of(const TarEntry& entry) {
    return {entry.mtime, entry.mtime};
}

template <class List, class Get>
std::vector<ExtendedAttribute> read_attributes(const std::string& what, List list, Get get) {
    std::string names(std::size_t{64} << 10U, '\0');  // XATTR_LIST_MAX
    const ssize_t length = list(names.data(), names.size());
    if (length == -1 && errno == EOPNOTSUPP) {
        return {};
    }
    names.resize(static_cast<std::size_t>(check(length, "listxattr({})", what)));
    std::vector<ExtendedAttribute> attributes;
    for (std::size_t at = 0; at < names.size();
         at += std::char_traits<char>::length(&names[at]) + 1) {
        const std::string name = &names[at];
        if (is_portable_attribute(name)) {
            std::string value(std::size_t{64} << 10U, '\0');  // XATTR_SIZE_MAX
            const ssize_t size = get(name.c_str(), value.data(), value.size());
            value.resize(static_cast<std::size_t>(check(size, "getxattr({}, {})", what, name)));
            attributes.push_back({.name = name, .value = std::move(value)});
        }
    }
    std::sort(attributes.begin(), attributes.end());
    return attributes;
}

}  // namespace

void set_owner_and_attributes(int fd, const TarEntry& entry) {
    const uid_t uid = checked_id(entry.uid, "owner");
    const gid_t gid = checked_id(entry.gid, "group");
    check(::fchown(fd, uid, gid), "fchown({}, {}, {})", in_quotes(entry.path), uid, gid);
    for (const auto& [name, value] : entry.xattrs) {
        if (!may_set(name)) {
            continue;
        }
        const int rc = ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0);
        if (!is_unsupported(rc)) {
            check(rc, "fsetxattr({}, {})", in_quotes(entry.path), in_quotes(name));
        }
    }
}

void set_metadata(int fd, const TarEntry& entry) {
    set_owner_and_attributes(fd, entry);
    check(::fchmod(fd, entry.mode), "fchmod({}, {:#o})", in_quotes(entry.path), entry.mode);
    check(::futimens(fd, times_of(entry).data()), "futimens({}, {})", in_quotes(entry.path),
          entry.mtime.tv_sec);
}

void set_metadata_at(int parent, const std::string& name, const TarEntry& entry) {
    const uid_t uid = checked_id(entry.uid, "owner");
    const gid_t gid = checked_id(entry.gid, "group");
    check(::fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW), "fchownat({}, {}, {})",
          in_quotes(entry.path), uid, gid);
    for (const auto& [attribute, value] : entry.xattrs) {
        // Neither links nor devices can have attributes of users.
        if (!may_set(attribute) || attribute.starts_with("user.")) {
            continue;
        }
        const int rc = ::lsetxattr(path_below(parent, name).c_str(), attribute.c_str(),
                                   value.data(), value.size(), 0);
        if (!is_unsupported(rc)) {
            check(rc, "lsetxattr({}, {})", in_quotes(entry.path), in_quotes(attribute));
        }
    }
    if (entry.type != TarType::Symlink) {  // a link has no mode
        check(::fchmodat(parent, name.c_str(), entry.mode, AT_SYMLINK_NOFOLLOW),
              "fchmodat({}, {:#o})", in_quotes(entry.path), entry.mode);
    }
    check(::utimensat(parent, name.c_str(), times_of(entry).data(), AT_SYMLINK_NOFOLLOW),
          "utimensat({}, {})", in_quotes(entry.path), entry.mtime.tv_sec);
}

void copy_metadata(int from, int to) {
    struct stat status{};
    check(::fstat(from, &status), "fstat(fd={})", from);
    set_metadata(to, {.path = "copy",
                      .mode = status.st_mode & 07777U,
                      .uid = status.st_uid,
                      .gid = status.st_gid,
                      .mtime = status.st_mtim,
                      .xattrs = portable_attributes(from)});
}

std::vector<ExtendedAttribute> portable_attributes(int fd) {
    return read_attributes(
        "file", [&](char* names, std::size_t size) { return ::flistxattr(fd, names, size); },
        [&](const char* name, char* value, std::size_t size) {
            return ::fgetxattr(fd, name, value, size);
        });
}

std::vector<ExtendedAttribute> portable_attributes_at(int parent, const std::string& name) {
    const std::string path = path_below(parent, name);
    return read_attributes(
        name,
        [&](char* names, std::size_t size) { return ::llistxattr(path.c_str(), names, size); },
        [&](const char* attribute, char* value, std::size_t size) {
            return ::lgetxattr(path.c_str(), attribute, value, size);
        });
}

}  // namespace drydock
