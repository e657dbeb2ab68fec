#include "commands.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/content_store.hpp"
#include "04-layers/directory.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_create.hpp"

#include "interrupted.hpp"
#include "progress.hpp"

namespace drydock::stage04 {
namespace {

/// To look at a store must not make one.
ContentStore open_store(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path / "oci-layout")) {
        throw InputError(fmt::format(
            "{}: no content store; expected an OCI image layout (a directory with the file "
            "oci-layout)",
            path.native()));
    }
    return ContentStore(path);
}

}  // namespace

int apply(const std::filesystem::path& layer, const std::filesystem::path& directory) {
    const UniqueFd blob = open_file(layer, O_RDONLY);
    if (std::filesystem::exists(directory) && !std::filesystem::is_empty(directory)) {
        throw InputError(fmt::format("{}: not empty; expected a directory for this layer alone",
                                     directory.native()));
    }
    const StopsWhenAsked stops;
    // Beside it first: nobody ever sees half a layer.
    const std::filesystem::path whole = std::filesystem::weakly_canonical(directory);
    make_directory(whole.parent_path());
    const TempDir unfinished("." + whole.filename().native(), whole.parent_path());
    const UniqueFd root = open_file(unfinished.path(), O_RDONLY | O_DIRECTORY);
    check(::fchmod(root.get(), 0755), "fchmod({}, 0755)", unfinished.path().native());
    const AppliedLayer applied = apply_layer(
        blob.get(), root.get(), {.name = layer.native(), .progress = progress_of("unpacked")});
    check(::rename(unfinished.path().c_str(), whole.c_str()), "rename({}, {})",
          unfinished.path().native(), whole.native());
    fmt::print("diffID {}\n{} entries, {} bytes unpacked\n", applied.diff_id.text(),
               applied.entries, applied.bytes);
    return 0;
}

int diff(const std::filesystem::path& upper, const std::filesystem::path& output) {
    const UniqueFd directory = open_file(upper, O_RDONLY | O_DIRECTORY);
    const std::filesystem::path parent = output.has_parent_path() ? output.parent_path() : ".";
    const UniqueFd folder = open_file(parent, O_RDONLY | O_DIRECTORY);
    const StopsWhenAsked stops;
    const std::string temporary = unused_name("." + output.filename().native() + ".");
    UniqueFd file = open_at(folder.get(), temporary, O_WRONLY | O_CREAT | O_EXCL, 0644);
    try {
        Sha256 hash;
        const auto sink = [&](std::span<const std::byte> bytes) {
            hash.update(bytes);
            write_all(file.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      output.native());
        };
        const LayerBlob blob =
            create_layer(sink, directory.get(), {.progress = progress_of("packed")});
        file.close();
        check(::renameat(folder.get(), temporary.c_str(), folder.get(), output.filename().c_str()),
              "rename({}, {})", temporary, output.native());
        fmt::print("digest {}\ndiffID {}\n", hash.finish().text(), blob.diff_id.text());
    } catch (...) {
        static_cast<void>(::unlinkat(folder.get(), temporary.c_str(), 0));
        throw;
    }
    return 0;
}

int mount(const Overlay& overlay, const std::filesystem::path& target) {
    if (overlay.upper.empty() != overlay.work.empty() ||
        (overlay.upper.empty() && overlay.lowers.size() < 2)) {
        throw InputError(
            "an overlay of one directory shows nothing new; expected --upper and --work, or two "
            "lower "
            "directories");
    }
    MountSpec spec = overlay_mount(overlay);
    spec.target = std::filesystem::canonical(target);
    mount_fs(spec);
    fmt::print("overlay on {}; umount {} ends it\n", spec.target.native(), spec.target.native());
    return 0;
}

int list_store(const std::filesystem::path& store) {
    const ContentStore blobs = open_store(store);
    for (const Digest& digest : blobs.list()) {
        fmt::print("{}  {}\n", digest.text(), blobs.size(digest));
    }
    return 0;
}

int verify_store(const std::filesystem::path& store) {
    const ContentStore blobs = open_store(store);
    const StopsWhenAsked stops;
    const auto progress = progress_of("verified");
    std::uint64_t bytes = 0;
    int status = 0;
    for (const Digest& digest : blobs.list()) {
        if (!blobs.verify(digest)) {
            fmt::print("{}  damaged: {}\n", digest.text(), blobs.path_of(digest).native());
            status = 1;
        }
        bytes += blobs.size(digest);
        progress(bytes);
    }
    if (status == 0) {
        fmt::print("{} bytes in {} blobs, each as its digest says\n", bytes, blobs.list().size());
    }
    return status;
}

}  // namespace drydock::stage04
