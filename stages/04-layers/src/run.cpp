#include "04-layers/run.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/overlay.hpp"
#include "04-layers/tar_apply.hpp"

#include "interrupted.hpp"
#include "metadata.hpp"
#include "progress.hpp"

namespace drydock::stage04 {
namespace {

std::filesystem::path make_directory(const std::filesystem::path& path) {
    check(::mkdir(path.c_str(), 0755), "mkdir({}, mode=0755)", path.native());
    return path;
}

/// Unpacks the layers one beside the other. @return their directories, topmost first
std::vector<std::filesystem::path> unpack(const std::vector<std::filesystem::path>& layers,
                                          const std::filesystem::path& parent) {
    std::vector<std::filesystem::path> directories;
    std::vector<UniqueFd> lowers;
    for (const std::filesystem::path& layer : layers) {
        const UniqueFd blob = open_file(layer, O_RDONLY);
        const auto directory = make_directory(parent / std::to_string(directories.size()));
        lowers.insert(lowers.begin(), open_file(directory, O_RDONLY | O_DIRECTORY));
        ApplyOptions options{.name = layer.native(),
                             .progress = progress_of("unpacked " + layer.native())};
        for (std::size_t i = 1; i < lowers.size(); ++i) {
            options.lowers.push_back(lowers[i].get());
        }
        apply_layer(blob.get(), lowers.front().get(), options);
        directories.insert(directories.begin(), directory);
    }
    return directories;
}

/// The root of an overlay looks like that of its upper directory.
void copy_looks(const std::filesystem::path& from, const std::filesystem::path& to) {
    copy_metadata(open_file(from, O_RDONLY | O_DIRECTORY).get(),
                  open_file(to, O_RDONLY | O_DIRECTORY).get());
}

}  // namespace

// [region: run-layers]
stage03::Ended run(const Options& options) {
    const StopsWhenAsked stops;
    const TempDir dir("drydock-04");
    const Overlay overlay{.lowers = unpack(options.layers, dir.path()),
                          .upper = make_directory(dir.path() / "upper"),
                          .work = make_directory(dir.path() / "work")};
    copy_looks(overlay.lowers.front(), overlay.upper);
    stage03::Options start = options.start;
    // Stage 03's table has the place for it: its step "mount-rootfs" mounts the layers instead of
    // binding a directory.
    start.rootfs.directory = make_directory(dir.path() / "merged");
    start.rootfs.filesystem = overlay_mount(overlay);
    throw_if_interrupted();
    return stage03::run(start);
}
// [/region]

}  // namespace drydock::stage04
