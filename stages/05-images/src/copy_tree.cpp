#include "copy_tree.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

namespace drydock {
namespace {

constexpr mode_t kPermissions = 07777;

bool ignored(const IgnoreRules* rules, const std::string& path) {
    return rules != nullptr && rules->ignores(path.substr(1));
}

/// Below an ignored directory an exception may let something in again.
bool worth_entering(const IgnoreRules* rules, const std::string& path) {
    return !ignored(rules, path) || rules->may_hold_exceptions(path.substr(1));
}

void check_type(const LayerView::Found& found) {
    const mode_t type = found.status.st_mode & S_IFMT;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
        throw InputError(fmt::format(
            "{}: is a device, a socket or a FIFO; expected a file, a directory or a link",
            found.path));
    }
}

void collect(const LayerView& tree, const IgnoreRules* rules, const LayerView::Found& directory,
             const std::string& below, std::vector<CopyItem>& items) {
    for (auto& [name, found] : tree.list(directory)) {
        const bool is_directory = S_ISDIR(found.status.st_mode);
        const bool out = ignored(rules, found.path);
        if (out && !(is_directory && worth_entering(rules, found.path))) {
            continue;
        }
        check_type(found);
        const std::string path = below.empty() ? name : below + "/" + name;
        const std::size_t at = items.size();
        items.push_back({.below = path, .found = found});
        if (is_directory) {
            collect(tree, rules, found, path, items);
        }
        if (out && items.size() == at + 1) {
            items.pop_back();  // nothing in it came back in
        }
    }
}

CopySource source_of(const LayerView& tree, const IgnoreRules* rules, const LayerView::Found& found,
                     const std::string& name) {
    check_type(found);
    CopySource source{.name = name, .is_directory = S_ISDIR(found.status.st_mode)};
    source.items.push_back({.below = "", .found = found});
    if (source.is_directory) {
        collect(tree, rules, found, "", source.items);
    }
    return source;
}

/// Every path that the pattern matches, part by part.
class Matcher {
  public:
    Matcher(const LayerView& tree, const FindSources& what, std::vector<CopySource>& sources)
        : tree_(tree), what_(what), sources_(sources) {}

    void match(const std::string& at, std::string_view pattern) {
        const std::size_t slash = pattern.find('/');
        const std::string_view part = pattern.substr(0, slash);
        const bool last = slash == std::string_view::npos;
        const bool any_depth = what_.deep && part == "**" && !last;
        const auto directory = tree_.find(at.empty() ? "/" : at);
        if (!directory || !S_ISDIR(directory->status.st_mode)) {
            return;
        }
        if (any_depth) {
            match(at, pattern.substr(slash + 1));
        }
        for (const auto& [name, listed] : tree_.list(*directory)) {
            const std::string path = fmt::format("{}/{}", at, name);
            if (any_depth) {
                if (S_ISDIR(listed.status.st_mode)) {
                    match(path, pattern);
                }
            } else if (matches_glob(part, name)) {
                if (last) {
                    add(path, name);
                } else {
                    match(path, pattern.substr(slash + 1));
                }
            }
        }
    }

  private:
    void add(const std::string& path, const std::string& name) {
        const auto found = tree_.find(path);
        if (found && worth_entering(what_.rules, path)) {
            sources_.push_back(source_of(tree_, what_.rules, *found, name));
            sources_.back().path = path.substr(1);
        }
    }

    const LayerView& tree_;
    const FindSources& what_;
    std::vector<CopySource>& sources_;
};

/// Those that a COPY takes along: what a program may do (file capabilities), and the user's own.
bool is_copied_attribute(std::string_view name) {
    return name.starts_with("user.") || name == "security.capability";
}

std::map<std::string, std::string> attributes_of(int fd, const std::string& path) {
    // Nearly no file has one, so the question is asked first.
    const ssize_t needed = ::flistxattr(fd, nullptr, 0);
    if (needed == 0 || (needed == -1 && errno == EOPNOTSUPP)) {
        return {};
    }
    std::string names(std::size_t{64} << 10U, '\0');  // XATTR_LIST_MAX
    const ssize_t length = ::flistxattr(fd, names.data(), names.size());
    names.resize(static_cast<std::size_t>(check(length, "flistxattr({})", path)));
    std::map<std::string, std::string> result;
    for (std::string_view rest = names; !rest.empty();) {
        const std::string name(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (is_copied_attribute(name)) {
            std::string value(std::size_t{64} << 10U, '\0');  // XATTR_SIZE_MAX
            const ssize_t size = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
            value.resize(static_cast<std::size_t>(check(size, "fgetxattr({}, {})", path, name)));
            result.emplace(name, std::move(value));
        }
    }
    return result;
}

void hash_attributes(int fd, const std::string& path, Sha256& hash) {
    for (const auto& [name, value] : attributes_of(fd, path)) {
        hash.update(fmt::format("{}:{}={}:", name.size(), name, value.size()));
        hash.update(value);
    }
}

void hash_content(const LayerView& tree, const LayerView::Found& found, Sha256& hash) {
    const UniqueFd fd = tree.open(found, O_RDONLY | O_NONBLOCK);
    hash_attributes(fd.get(), found.path, hash);
    hash.update(digest_of_file(fd.get(), found.path).text());
}

/// "a/./b", "../a" and "/a/b/" without what leads nowhere or out.
std::string clean(const std::string& pattern) {
    return std::filesystem::path("/" + pattern).lexically_normal().native();
}

}  // namespace

std::vector<CopySource> find_sources(const LayerView& tree, const FindSources& what) {
    std::string path = clean(what.pattern);
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    std::vector<CopySource> sources;
    const auto found = tree.find(path);
    if (found && (path == "/" || worth_entering(what.rules, path))) {
        sources.push_back(source_of(tree, what.rules, *found, path.substr(path.rfind('/') + 1)));
        sources.back().path = path.substr(1);
    } else if (is_glob(path)) {
        Matcher(tree, what, sources).match("", std::string_view(path).substr(1));
    }
    if (sources.empty()) {
        throw InputError(fmt::format("\"{}\": no such file or directory in the {}", what.pattern,
                                     what.rules != nullptr ? "build context" : "source image"));
    }
    const std::size_t pivot = what.deep ? ("/" + what.pattern).find("/./") : std::string::npos;
    if (pivot != std::string::npos) {
        const std::string above = clean(("/" + what.pattern).substr(0, pivot));
        const auto parts = above == "/" ? 0 : std::ranges::count(above, '/');
        for (CopySource& source : sources) {
            for (auto i = parts; i > 0; --i) {
                source.path.erase(0, std::min(source.path.find('/'), source.path.size() - 1) + 1);
            }
        }
    }
    return sources;
}

void leave_out(std::vector<CopySource>& sources, const std::vector<std::string>& patterns) {
    if (patterns.empty()) {
        return;
    }
    const IgnoreRules rules(fmt::format("{}", fmt::join(patterns, "\n")), "--exclude");
    std::erase_if(sources, [&](const CopySource& source) {
        return !source.is_directory && rules.ignores(source.name);
    });
    for (CopySource& source : sources) {
        std::vector<CopyItem> kept;
        // From the end: what is in a directory comes before it, and keeps it if it is kept.
        for (auto item = source.items.rbegin(); item != source.items.rend(); ++item) {
            const bool holds = !kept.empty() && kept.back().below.starts_with(item->below + "/");
            if (item->below.empty() || holds || !rules.ignores(item->below)) {
                kept.push_back(std::move(*item));
            }
        }
        std::ranges::reverse(kept);
        source.items = std::move(kept);
    }
}

// [region: content-digest]
Digest digest_of(const LayerView& tree, const std::vector<CopySource>& sources, bool owners) {
    Sha256 hash;
    for (const CopySource& source : sources) {
        for (const CopyItem& item : source.items) {
            const struct ::stat& status = item.found.status;
            // Lengths first: no name can pretend to be two.
            hash.update(fmt::format("{}:{} {}:{} {:o} ", source.name.size(), source.name,
                                    item.below.size(), item.below, status.st_mode));
            if (owners) {
                hash.update(fmt::format("{}:{} ", status.st_uid, status.st_gid));
            }
            if (S_ISLNK(status.st_mode)) {
                const std::string target = tree.read_link(item.found);
                hash.update(fmt::format("{}:{}", target.size(), target));
            } else if (S_ISREG(status.st_mode)) {
                hash_content(tree, item.found, hash);
            } else if (S_ISDIR(status.st_mode)) {
                const UniqueFd fd = tree.open(item.found, O_RDONLY | O_DIRECTORY);
                hash_attributes(fd.get(), item.found.path, hash);
            }
            hash.update("\n");
        }
    }
    return hash.finish();
}
// [/region]

namespace {

std::vector<std::filesystem::path> with_upper(const std::filesystem::path& upper,
                                              std::vector<std::filesystem::path> lowers) {
    lowers.insert(lowers.begin(), upper);
    return lowers;
}

void set_owner_and_mode(int fd, const struct ::stat& status, const CopyOptions& options,
                        const std::string& name) {
    const uid_t uid = options.keep_owners ? status.st_uid : options.uid;
    const gid_t gid = options.keep_owners ? status.st_gid : options.gid;
    if (::geteuid() == 0) {
        check(::fchown(fd, uid, gid), "fchown({}, {}, {})", name, uid, gid);
    }
    // After the owner: chown(2) takes set-user-ID bits away.
    const mode_t mode =
        options.mode ? options.mode->applied(status.st_mode) : status.st_mode & kPermissions;
    check(::fchmod(fd, mode), "fchmod({}, {:o})", name, mode);
}

/// After chown(2), which takes file capabilities away.
void copy_attributes(int from, int to, const std::string& path) {
    for (const auto& [name, value] : attributes_of(from, path)) {
        const int rc = ::fsetxattr(to, name.c_str(), value.data(), value.size(), 0);
        if (rc == -1 && (errno == EOPNOTSUPP || (errno == EPERM && ::geteuid() != 0))) {
            continue;  // this filesystem, or this user, cannot keep it
        }
        check(rc, "fsetxattr({}, {})", path, name);
    }
}

void set_times(int fd, const struct ::stat& status, const std::string& name) {
    const timespec times[2] = {status.st_mtim, status.st_mtim};
    check(::futimens(fd, times), "futimens({})", name);
}

void copy_bytes(int from, int to, const std::string& name) {
    constexpr std::size_t kChunk = std::size_t{1} << 24U;
    while (true) {
        const ssize_t n = ::copy_file_range(from, nullptr, to, nullptr, kChunk, 0);
        if (n == -1 &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            while (check(::sendfile(to, from, nullptr, kChunk), "sendfile({})", name) > 0) {
            }
            return;
        }
        if (check(n, "copy_file_range({})", name) == 0) {
            return;
        }
    }
}

}  // namespace

UpperWriter::UpperWriter(const std::filesystem::path& upper,
                         const std::vector<std::filesystem::path>& lowers)
    : upper_(open_file(upper, O_RDONLY | O_DIRECTORY)), image_(with_upper(upper, lowers)) {}

/// Opens the directory `resolved` (without links) in the upper layer, and makes it, and those above
/// it, as the layers below have them.
UniqueFd UpperWriter::directory_in_upper(const std::string& resolved) {
    UniqueFd at = open_at(upper_.get(), ".", O_RDONLY | O_DIRECTORY);
    std::string path;
    std::string_view rest = resolved;
    while (!rest.empty()) {
        const std::size_t slash = rest.find('/');
        const std::string part(rest.substr(0, slash));
        rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
        if (part.empty()) {
            continue;
        }
        path += "/" + part;
        const auto there = image_.find_nofollow(path);
        if (there && !S_ISDIR(there->status.st_mode)) {
            throw InputError(fmt::format("{}: is there and is no directory", path));
        }
        const bool is_new = ::mkdirat(at.get(), part.c_str(), 0755) == 0;
        if (!is_new && errno != EEXIST) {
            check(-1, "mkdir({})", path);
        }
        at = open_at(at.get(), part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (is_new && there) {
            set_owner_and_mode(at.get(), there->status, {.keep_owners = true}, path);
            set_times(at.get(), there->status, path);
        } else if (is_new) {
            check(::fchmod(at.get(), 0755), "fchmod({}, 755)", path);  // whatever our umask is
        }
    }
    return at;
}

void UpperWriter::make_directory(const std::string& path) {
    static_cast<void>(directory_in_upper(image_.resolve(path)));
}

void UpperWriter::copy_file(const LayerView& tree, const CopyItem& item, int parent,
                            const std::string& name, const CopyOptions& options) {
    const struct ::stat& status = item.found.status;
    if (::unlinkat(parent, name.c_str(), 0) == -1 && errno != ENOENT) {
        check(-1, "unlink({}) in the layer", name);
    }
    if (S_ISLNK(status.st_mode)) {
        const std::string target = tree.read_link(item.found);
        check(::symlinkat(target.c_str(), parent, name.c_str()), "symlink({}, {})", target, name);
        if (::geteuid() == 0) {
            const uid_t uid = options.keep_owners ? status.st_uid : options.uid;
            const gid_t gid = options.keep_owners ? status.st_gid : options.gid;
            check(::fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW),
                  "fchownat({}, {}, {})", name, uid, gid);
        }
        return;
    }
    const UniqueFd from = tree.open(item.found, O_RDONLY | O_NONBLOCK);
    const UniqueFd to = open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    copy_bytes(from.get(), to.get(), item.found.path);
    set_owner_and_mode(to.get(), status, options, name);
    copy_attributes(from.get(), to.get(), item.found.path);
    set_times(to.get(), status, name);
}

void UpperWriter::copy_item(const LayerView& tree, const CopyItem& item, const std::string& to,
                            const CopyOptions& options) {
    const auto there = image_.find_nofollow(to);
    if (S_ISDIR(item.found.status.st_mode)) {
        if (!there || !S_ISDIR(there->status.st_mode)) {
            const UniqueFd parent = directory_in_upper(to.substr(0, to.rfind('/')));
            const std::string name = to.substr(to.rfind('/') + 1);
            if (there && ::unlinkat(parent.get(), name.c_str(), 0) == -1 && errno != ENOENT) {
                check(-1, "unlink({}) in the layer", to);
            }
            check(::mkdirat(parent.get(), name.c_str(), 0700), "mkdir({})", to);
            const UniqueFd made = open_at(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            set_owner_and_mode(made.get(), item.found.status, options, to);
            copy_attributes(tree.open(item.found, O_RDONLY | O_DIRECTORY).get(), made.get(), to);
            set_times(made.get(), item.found.status, to);
        }
        return;
    }
    if (there && S_ISDIR(there->status.st_mode)) {
        throw InputError(
            fmt::format("cannot copy the file {} over the directory {}", item.found.path, to));
    }
    const UniqueFd parent = directory_in_upper(to.substr(0, to.rfind('/')));
    copy_file(tree, item, parent.get(), to.substr(to.rfind('/') + 1), options);
}

void UpperWriter::copy(const LayerView& tree, const std::vector<CopySource>& sources,
                       const CopyDestination& destination, const CopyOptions& options) {
    const auto there = image_.find(destination.path);
    const bool is_directory = there && S_ISDIR(there->status.st_mode);
    for (const CopySource& source : sources) {
        const std::string base = image_.resolve(destination.path);
        const std::string prefix = base == "/" ? "" : base;
        if (!source.is_directory) {
            copy_item(tree, source.items.front(),
                      destination.into || is_directory ? prefix + "/" + source.name : base,
                      options);
            continue;
        }
        if (!is_directory) {
            make_directory(base);
        }
        for (const CopyItem& item : source.items) {
            if (item.below.empty()) {
                continue;  // the destination itself
            }
            // A directory of the source may be a link to one in the image: what is below goes
            // there.
            const std::size_t slash = item.below.rfind('/');
            const std::string parent =
                slash == std::string::npos
                    ? base
                    : image_.resolve(prefix + "/" + item.below.substr(0, slash));
            const std::string to =
                (parent == "/" ? "" : parent) + "/" + item.below.substr(slash + 1);
            const bool follows = S_ISDIR(item.found.status.st_mode);
            const auto target = follows ? image_.find(to) : std::nullopt;
            copy_item(tree, item, target && S_ISDIR(target->status.st_mode) ? target->path : to,
                      options);
        }
    }
}

}  // namespace drydock
