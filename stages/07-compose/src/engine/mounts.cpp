#include "engine/mounts.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"
#include "05-images/layer_view.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

/// Copies of files keep owner, mode and time of change.
void set_attributes(int fd, const struct stat& status, const std::string& name) {
    check(::fchown(fd, status.st_uid, status.st_gid), "fchown({})", name);
    check(::fchmod(fd, status.st_mode & 07777U), "fchmod({})", name);
    const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    check(::futimens(fd, times.data()), "futimens({})", name);
}

/// The same for what cannot be opened: links and nodes, which have their mode already.
void set_attributes_of(int directory, const std::string& name, const struct stat& status) {
    check(::fchownat(directory, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW),
          "fchownat({})", name);
    const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    check(::utimensat(directory, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), "utimensat({})",
          name);
}

void copy_bytes(int from, int to, const std::string& name) {
    constexpr std::size_t kPiece = std::size_t{1} << 30U;
    while (check(::sendfile(to, from, nullptr, kPiece), "sendfile({})", name) > 0) {
    }
}

/// Copies a tree of the image's, merged from its layers.
class CopyUp {
  public:
    explicit CopyUp(const LayerView& view) : view_(view) {}

    void copy_children(const LayerView::Found& from, int to) const {
        for (const auto& [name, found] : view_.list(from)) {
            copy(found, to, name);
        }
    }

  private:
    void copy(const LayerView::Found& found, int to, const std::string& name) const {
        const struct stat& status = found.status;
        if (S_ISDIR(status.st_mode)) {
            check(::mkdirat(to, name.c_str(), 0700), "mkdir({})", found.path);
            const UniqueFd directory = open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            copy_children(found, directory.get());
            set_attributes(directory.get(), status, found.path);
        } else if (S_ISREG(status.st_mode)) {
            const UniqueFd from = view_.open(found, O_RDONLY);
            const UniqueFd file = open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
            copy_bytes(from.get(), file.get(), found.path);
            set_attributes(file.get(), status, found.path);
        } else if (S_ISLNK(status.st_mode)) {
            check(::symlinkat(view_.read_link(found).c_str(), to, name.c_str()), "symlink({})",
                  found.path);
            set_attributes_of(to, name, status);
        } else if (!S_ISSOCK(status.st_mode)) {
            check(::mknodat(to, name.c_str(), status.st_mode, status.st_rdev), "mknod({})",
                  found.path);
            set_attributes_of(to, name, status);
        }
    }

    const LayerView& view_;
};

std::vector<std::string> split_options(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        if (comma > 0) {
            parts.emplace_back(text.substr(0, comma));
        }
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return parts;
}

void put_over(std::vector<MountPoint>& mounts, const MountPoint& mount) {
    std::erase_if(mounts,
                  [&](const MountPoint& one) { return one.destination == mount.destination; });
    mounts.push_back(mount);
}

}  // namespace

std::vector<MountPoint> gathered_mounts(const std::vector<MountPoint>& asked,
                                        const std::vector<MountPoint>& borrowed,
                                        const oci::ExecutionConfig& image) {
    std::vector<MountPoint> mounts;
    for (const MountPoint& mount : borrowed) {
        put_over(mounts, mount);
    }
    for (const MountPoint& mount : asked) {
        if (std::ranges::count(asked, mount.destination, &MountPoint::destination) > 1) {
            throw InputError("Duplicate mount point: " + mount.destination);
        }
        put_over(mounts, mount);
    }
    for (const std::string& volume : image.volumes) {
        const std::string destination = fs::path("/" + volume).lexically_normal();
        if (std::ranges::find(mounts, destination, &MountPoint::destination) == mounts.end()) {
            mounts.push_back({.type = "volume", .destination = destination, .anonymous = true});
        }
    }
    std::ranges::stable_sort(mounts, {}, [](const MountPoint& mount) {
        return std::ranges::count(mount.destination, '/');
    });
    return mounts;
}

void prepare_bind(const MountPoint& mount) {
    if (fs::exists(fs::symlink_status(mount.source))) {
        return;
    }
    if (!mount.make_source) {
        throw InputError(
            fmt::format("invalid mount config for type \"bind\": bind source path does not exist: "
                        "{}",
                        mount.source));
    }
    fs::create_directories(mount.source);
}

void copy_up(const ImageStore& images, const std::vector<Digest>& chains, const MountPoint& mount) {
    const UniqueFd target = open_file(mount.source, O_RDONLY | O_DIRECTORY);
    if (!mount.copy_up || !names_in(target.get()).empty()) {
        return;
    }
    const LayerView view(layer_directories(images, chains));
    const auto found = view.find(mount.destination);
    if (!found || !S_ISDIR(found->status.st_mode)) {
        return;
    }
    CopyUp(view).copy_children(*found, target.get());
    set_attributes(target.get(), found->status, mount.source);
}

std::vector<oci::Mount> oci_mounts(const std::vector<MountPoint>& mounts) {
    std::vector<oci::Mount> result;
    for (const MountPoint& mount : mounts) {
        oci::Mount one{.destination = mount.destination};
        if (mount.type == "tmpfs") {
            one.type = "tmpfs";
            one.source = "tmpfs";
            one.options = {"nosuid", "nodev", "noexec"};
            for (std::string& option : split_options(mount.options)) {
                one.options.push_back(std::move(option));
            }
        } else {
            one.type = "bind";
            one.source = mount.source;
            one.options = {mount.recursive ? "rbind" : "bind",
                           mount.propagation.empty() ? "rprivate" : mount.propagation};
        }
        // With rbind it holds for what is mounted below, too.
        one.options.emplace_back(mount.writable ? "rw" : "ro");
        result.push_back(std::move(one));
    }
    return result;
}

}  // namespace drydock
