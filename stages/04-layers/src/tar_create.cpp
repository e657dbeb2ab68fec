#include "04-layers/tar_create.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"
#include "04-layers/tar_writer.hpp"

#include "gzip_writer.hpp"
#include "metadata.hpp"
#include "quoted.hpp"
#include "whiteout.hpp"

namespace drydock {
namespace {

/// One name in a directory, and what is there.
struct Found {
    std::string name{};
    struct stat status{};
};

class Packer {
  public:
    Packer(TarWriter& tar, const CreateOptions& options)
        : tar_(tar), options_(options), opaque_(opaque_attribute(options.overlay_namespace)) {}

    /// @param path of the directory in the archive, "" or ending in "/"
    void pack_directory(int directory, const std::string& path);

  private:
    void pack(int parent, const Found& found, const std::string& path);
    void pack_file(int parent, const Found& found, TarEntry entry);
    void copy_bytes(int fd, const TarEntry& entry);
    /// Another name of a file that the archive has already.
    bool pack_as_link(const Found& found, TarEntry& entry);
    [[nodiscard]] TarEntry describe(const Found& found, const std::string& path) const;

    TarWriter& tar_;
    const CreateOptions& options_;
    std::string opaque_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_{};
    std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{256} << 10U);
};

std::vector<Found> look_into(int directory) {
    std::vector<Found> all;
    for (std::string& name : names_in(directory)) {
        Found found{.name = std::move(name)};
        check(::fstatat(directory, found.name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW),
              "fstatat({})", in_quotes(found.name));
        all.push_back(std::move(found));
    }
    return all;
}

bool is_whiteout(const Found& found) {
    return is_overlay_whiteout(found.status.st_mode, found.status.st_rdev);
}

TarType type_of(mode_t mode) {
    return S_ISDIR(mode)    ? TarType::Directory
           : S_ISLNK(mode)  ? TarType::Symlink
           : S_ISFIFO(mode) ? TarType::Fifo
           : S_ISCHR(mode)  ? TarType::CharDevice
           : S_ISBLK(mode)  ? TarType::BlockDevice
                            : TarType::File;
}

std::string read_link(int parent, const std::string& name) {
    std::array<char, 4096> target{};
    const ssize_t length = ::readlinkat(parent, name.c_str(), target.data(), target.size());
    return {target.data(),
            static_cast<std::size_t>(check(length, "readlink({})", in_quotes(name)))};
}

// [region: pack-directory]
void Packer::pack_directory(int directory, const std::string& path) {
    const std::vector<Found> all = look_into(directory);
    // What is gone comes first, so that a reader never removes what it has just unpacked.
    if (::fgetxattr(directory, opaque_.c_str(), nullptr, 0) > 0) {
        tar_.add({.path = path + std::string(kOpaqueMarker)});
    }
    for (const Found& found : all) {
        if (is_whiteout(found)) {
            tar_.add({.path = path + std::string(kWhiteoutPrefix) + found.name});
        }
    }
    for (const Found& found : all) {
        if (!is_whiteout(found)) {
            pack(directory, found, path + found.name);
        }
    }
}
// [/region]

void Packer::pack(int parent, const Found& found, const std::string& path) {
    if (found.name.starts_with(kWhiteoutPrefix)) {
        throw InputError(
            fmt::format("{}: a layer cannot hold a file of this name, it says that another is gone",
                        in_quotes(path)));
    }
    if (S_ISSOCK(found.status.st_mode)) {
        return;
    }
    TarEntry entry = describe(found, path);
    if (S_ISREG(found.status.st_mode)) {
        return pack_file(parent, found, std::move(entry));
    }
    if (S_ISDIR(found.status.st_mode)) {
        const UniqueFd directory = open_at(parent, found.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        entry.path += "/";
        entry.xattrs = portable_attributes(directory.get());
        tar_.add(entry);
        return pack_directory(directory.get(), entry.path);
    }
    if (!pack_as_link(found, entry)) {
        entry.link_target = S_ISLNK(found.status.st_mode) ? read_link(parent, found.name) : "";
        entry.xattrs = portable_attributes_at(parent, found.name);
        tar_.add(entry);
    }
}

void Packer::pack_file(int parent, const Found& found, TarEntry entry) {
    if (pack_as_link(found, entry)) {
        return;
    }
    // O_NONBLOCK: should somebody put a fifo in its place, this does not wait for a writer.
    const UniqueFd fd = open_at(parent, found.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    entry.size = found.status.st_size;
    entry.xattrs = portable_attributes(fd.get());
    tar_.begin(entry);
    copy_bytes(fd.get(), entry);
}

void Packer::copy_bytes(int fd, const TarEntry& entry) {
    auto left = static_cast<std::uint64_t>(entry.size);
    while (left > 0) {
        const ssize_t n = ::read(fd, buffer_.data(), std::min<std::uint64_t>(buffer_.size(), left));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (check(n, "read({})", in_quotes(entry.path)) == 0) {
            throw InputError(
                fmt::format("{}: became shorter while it was packed", in_quotes(entry.path)));
        }
        tar_.data(std::span(buffer_).first(static_cast<std::size_t>(n)));
        left -= static_cast<std::uint64_t>(n);
    }
}

bool Packer::pack_as_link(const Found& found, TarEntry& entry) {
    if (found.status.st_nlink < 2) {
        return false;
    }
    const auto [first, is_new] =
        first_names_.try_emplace({found.status.st_dev, found.status.st_ino}, entry.path);
    if (is_new) {
        return false;
    }
    entry.type = TarType::HardLink;
    entry.link_target = first->second;
    tar_.add(entry);
    return true;
}

TarEntry Packer::describe(const Found& found, const std::string& path) const {
    const struct stat& status = found.status;
    const std::int64_t mtime =
        std::min<std::int64_t>(status.st_mtim.tv_sec, options_.latest_mtime.value_or(INT64_MAX));
    const bool is_device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
    return {.path = path,
            .type = type_of(status.st_mode),
            .mode = status.st_mode & 07777U,
            .uid = status.st_uid,
            .gid = status.st_gid,
            .mtime = {.tv_sec = mtime, .tv_nsec = 0},
            .device_major = is_device ? major(status.st_rdev) : 0,
            .device_minor = is_device ? minor(status.st_rdev) : 0};
}

}  // namespace

LayerBlob create_layer(const std::function<void(std::span<const std::byte>)>& sink, int upper,
                       const CreateOptions& options) {
    LayerBlob blob;
    Sha256 diff_id;
    GzipWriter gzip(sink, options.compression_level);
    TarWriter tar([&](std::span<const std::byte> bytes) {
        diff_id.update(bytes);
        gzip.write(bytes);
        blob.uncompressed_size += bytes.size();
        if (options.progress) {
            options.progress(blob.uncompressed_size);
        }
    });
    Packer(tar, options).pack_directory(upper, "");
    tar.finish();
    gzip.finish();
    blob.diff_id = diff_id.finish();
    return blob;
}

LayerBlob create_layer(const ContentStore& store, int upper, const CreateOptions& options) {
    Ingest ingest = store.begin();
    LayerBlob blob = create_layer([&](std::span<const std::byte> bytes) { ingest.write(bytes); },
                                  upper, options);
    blob.size = ingest.size();
    blob.digest = ingest.commit();
    return blob;
}

}  // namespace drydock
