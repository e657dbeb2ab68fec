#include "05-images/layer_view.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <set>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

namespace drydock {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's own limit

bool is_whiteout(const struct ::stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

/// Whether the directory hides those of the same path in the layers below.
bool is_opaque(int directory) {
    for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"}) {
        char value = 0;
        if (::fgetxattr(directory, name, &value, 1) == 1 && value == 'y') {
            return true;
        }
    }
    return false;
}

std::deque<std::string> parts_of(std::string_view path) {
    std::deque<std::string> result;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        if (const std::string_view part = path.substr(0, slash); !part.empty() && part != ".") {
            result.emplace_back(part);
        }
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    return result;
}

std::string parent_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

std::string link_target(int directory, const std::string& name) {
    std::string target(4096, '\0');
    const ssize_t length =
        check(::readlinkat(directory, name.c_str(), target.data(), target.size()),
              "readlink({}) in a layer", name);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

}  // namespace

LayerView::LayerView(const std::vector<std::filesystem::path>& layers) {
    for (const std::filesystem::path& layer : layers) {
        layers_.push_back(open_file(layer, O_RDONLY | O_DIRECTORY));
    }
}

// [region: merged-directories]
std::vector<LayerView::Directory> LayerView::directories(std::string_view path) const {
    std::vector<Directory> merged;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        merged.push_back({i, open_at(layers_[i].get(), ".", O_RDONLY | O_DIRECTORY)});
    }
    for (const std::string& part : parts_of(path)) {
        std::vector<Directory> next;
        for (const Directory& directory : merged) {
            UniqueFd fd(::openat(directory.fd.get(), part.c_str(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!fd && errno == ENOENT) {
                continue;
            }
            if (!fd) {
                break;  // a whiteout, or something that is no directory: it hides what is below
            }
            const bool opaque = is_opaque(fd.get());
            next.push_back({directory.layer, std::move(fd)});
            if (opaque) {
                break;
            }
        }
        merged = std::move(next);
    }
    return merged;
}
// [/region]

std::optional<LayerView::Found> LayerView::look_up(const std::string& path) const {
    if (path.empty()) {
        Found root{.path = "/"};
        if (layers_.empty()) {
            return std::nullopt;
        }
        check(::fstat(layers_.front().get(), &root.status), "fstat(root of the layers)");
        return root;
    }
    const std::string name = path.substr(path.rfind('/') + 1);
    for (const Directory& directory : directories(parent_of(path))) {
        Found found{.path = path, .layer = directory.layer};
        if (::fstatat(directory.fd.get(), name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW) == 0) {
            return is_whiteout(found.status) ? std::nullopt : std::optional(std::move(found));
        }
        if (errno != ENOENT) {
            check(-1, "fstatat({}) in a layer", path);
        }
    }
    return std::nullopt;
}

LayerView::Walked LayerView::walk(std::string_view path, bool follow_last) const {
    std::deque<std::string> left = parts_of(path);
    std::string at;  // without a final slash; "" is the root
    std::optional<Found> found = look_up(at);
    int links = 0;
    while (!left.empty()) {
        const std::string part = std::move(left.front());
        left.pop_front();
        if (part == "..") {
            at = at.empty() ? at : parent_of(at);
            found = look_up(at);
            continue;
        }
        // Behind what is no directory, or not there, nothing is looked up any more.
        const bool inside = found && S_ISDIR(found->status.st_mode);
        std::optional<Found> next = inside ? look_up(at + "/" + part) : std::nullopt;
        if (next && S_ISLNK(next->status.st_mode) && (follow_last || !left.empty())) {
            if (++links > kMaxLinks) {
                errno = ELOOP;
                check(-1, "open({}) in the image", path);
            }
            const UniqueFd parent = open_in_root(layers_[next->layer].get(), at.empty() ? "/" : at,
                                                 O_PATH | O_DIRECTORY);
            const std::string target = link_target(parent.get(), part);
            const std::deque<std::string> parts = parts_of(target);
            left.insert(left.begin(), parts.begin(), parts.end());
            if (target.starts_with('/')) {
                at.clear();
                found = look_up(at);
            }
            continue;
        }
        at += "/" + part;
        found = std::move(next);
    }
    return {.path = at.empty() ? "/" : at, .found = std::move(found)};
}

std::optional<LayerView::Found> LayerView::find(std::string_view path) const {
    return walk(path, true).found;
}

std::optional<LayerView::Found> LayerView::find_nofollow(std::string_view path) const {
    return walk(path, false).found;
}

std::string LayerView::resolve(std::string_view path) const {
    return walk(path, true).path;
}

UniqueFd LayerView::open(const Found& found, int flags) const {
    return open_in_root(layers_.at(found.layer).get(), found.path, flags | O_NOFOLLOW);
}

std::string LayerView::read_link(const Found& link) const {
    const std::string parent = parent_of(link.path);
    const UniqueFd fd = open_in_root(layers_.at(link.layer).get(), parent.empty() ? "/" : parent,
                                     O_PATH | O_DIRECTORY);
    return link_target(fd.get(), link.path.substr(link.path.rfind('/') + 1));
}

std::map<std::string, LayerView::Found> LayerView::list(const Found& directory) const {
    const std::string base = directory.path == "/" ? "" : directory.path;
    std::map<std::string, Found> result;
    std::set<std::string> seen;
    for (Directory& layer : directories(base)) {
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(layer.fd.release()),
                                                         &::closedir);
        while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
            const std::string name = entry->d_name;
            if (name == "." || name == ".." || !seen.insert(name).second) {
                continue;
            }
            Found found{.path = base + "/" + name, .layer = layer.layer};
            check(
                ::fstatat(::dirfd(stream.get()), name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW),
                "fstatat({}) in a layer", found.path);
            if (!is_whiteout(found.status)) {
                result.emplace(name, std::move(found));
            }
        }
    }
    return result;
}

std::optional<std::string> LayerView::read_file(std::string_view path, std::size_t limit) const {
    const std::optional<Found> found = find(path);
    if (!found || !S_ISREG(found->status.st_mode)) {
        return std::nullopt;
    }
    // O_NONBLOCK costs nothing on a regular file, and should it be another file by now, this does
    // not hang.
    return read_all(open(*found, O_RDONLY | O_NONBLOCK).get(), limit, found->path);
}

}  // namespace drydock
