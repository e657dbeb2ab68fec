#include "engine/volume_parts.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

UniqueFd open_part(const MountPoint& mount) {
    try {
        const UniqueFd volume = open_file(mount.source, O_PATH | O_DIRECTORY);
        return open_in_root(volume.get(), mount.subpath, O_PATH);
    } catch (const std::system_error& e) {
        throw SetupError(
            fmt::format("volume {}: its part \"{}\" cannot be had ({}); make it in the volume "
                        "first, or mount all of it",
                        mount.name, mount.subpath, e.code().message()),
            e.code(), kSetupFailed);
    }
}

/// A mount of the part alone, at a place made for it. By descriptors only: between finding the part
/// and mounting it no path is looked up again.
void mount_part(const UniqueFd& part, const fs::path& place) {
    struct stat status{};
    check(::fstat(part.get(), &status), "fstat({})", place.native());
    if (S_ISDIR(status.st_mode)) {
        fs::create_directory(place);
    } else {
        open_file(place, O_WRONLY | O_CREAT, 0600).close();
    }
    const UniqueFd tree(
        check(::open_tree(part.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
              "open_tree(part of a volume, OPEN_TREE_CLONE)"));
    check(::move_mount(tree.get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
          "move_mount({})", place.native());
}

}  // namespace

fs::path volume_part_place(const fs::path& place, std::size_t number) {
    return place / fmt::format("volume-{}", number);
}

VolumeParts::VolumeParts(const std::vector<MountPoint>& mounts, fs::path place)
    : place_(std::move(place)) {
    std::vector<UniqueFd> parts;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (!mounts[i].subpath.empty()) {
            places_.push_back(volume_part_place(place_, i));
            parts.push_back(open_part(mounts[i]));
        }
    }
    if (places_.empty()) {
        return;
    }
    fs::create_directories(place_);
    unmount();  // what a daemon that was killed left
    try {
        for (std::size_t i = 0; i < places_.size(); ++i) {
            mount_part(parts[i], places_[i]);
        }
    } catch (...) {
        unmount();
        throw;
    }
}

VolumeParts::~VolumeParts() {
    if (!places_.empty()) {
        unmount();
        std::error_code nothing;
        fs::remove(place_, nothing);  // unless it holds other things
    }
}

void VolumeParts::unmount() const {
    for (const fs::path& one : places_) {
        // Nothing mounted there: EINVAL; never made: ENOENT.
        while (::umount2(one.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
        }
        std::error_code nothing;
        fs::remove(one, nothing);
    }
}

}  // namespace drydock
