#include "04-layers/tar_apply.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "01-chroot/check.hpp"

#include "layer_directory.hpp"
#include "metadata.hpp"
#include "quoted.hpp"
#include "refused_entry.hpp"
#include "whiteout.hpp"

namespace drydock {
namespace {

struct Apply {
    TarReader reader;
    LayerDirectory directory;
    const ApplyOptions& options;
};

void report(const Apply& apply) {
    if (apply.options.progress) {
        apply.options.progress(apply.reader.uncompressed_bytes());
    }
}

void write_block(int fd, const TarBlock& block, const std::string& path) {
    std::span<const std::byte> bytes = block.bytes;
    auto offset = static_cast<off_t>(block.offset);
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        check(n, "pwrite({}, count={}, offset={})", in_quotes(path), bytes.size(), offset);
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += n;
    }
}

void apply_file(Apply& apply, const Parts& path, const TarEntry& entry) {
    const UniqueFd fd = apply.directory.make_file(path);
    std::uint64_t end = 0;
    while (const auto block = apply.reader.next_block()) {
        write_block(fd.get(), *block, entry.path);
        end = block->offset + block->bytes.size();
        report(apply);
    }
    if (end < static_cast<std::uint64_t>(entry.size)) {  // a hole at the end
        check(::ftruncate(fd.get(), entry.size), "ftruncate({}, {})", in_quotes(entry.path),
              entry.size);
    }
    set_metadata(fd.get(), entry);
}

/// A path with `.wh.` in it never becomes a file of that name.
void apply_whiteout(LayerDirectory& directory, Parts path) {
    const std::string name = path.back();
    path.pop_back();
    const auto of_aufs = [](const std::string& part) { return part.starts_with(kAufsPrefix); };
    if (name == kOpaqueMarker && std::none_of(path.begin(), path.end(), of_aufs)) {
        directory.make_opaque(path);
        return;
    }
    if (of_aufs(name) || std::any_of(path.begin(), path.end(), of_aufs)) {
        return;  // nothing that AUFS kept for itself belongs to the image
    }
    const std::string hidden =
        name.starts_with(kWhiteoutPrefix) ? name.substr(kWhiteoutPrefix.size()) : "";
    if (hidden.empty() || hidden == "." || hidden == "..") {
        throw RefusedEntry(
            "is no whiteout of a name; expected .wh.NAME as the last part of its path");
    }
    path.push_back(hidden);
    directory.make_whiteout(path);
}

bool has_whiteout(const Parts& path) {
    return std::any_of(path.begin(), path.end(),
                       [](const std::string& part) { return part.starts_with(kWhiteoutPrefix); });
}

// [region: apply-entry]
void apply_entry(Apply& apply, const TarEntry& entry) {
    const Parts path = parts_of(entry.path);
    if (path.empty() && entry.type != TarType::Directory) {
        throw RefusedEntry("is the root of the layer, but no directory");
    }
    if (has_whiteout(path)) {
        return apply_whiteout(apply.directory, path);
    }
    switch (entry.type) {
        case TarType::File:
            return apply_file(apply, path, entry);
        case TarType::Directory:
            return apply.directory.make_directory(path, entry);
        case TarType::Symlink:
            return apply.directory.make_symlink(path, entry);
        case TarType::HardLink:
            return apply.directory.make_hard_link(path, entry);
        case TarType::Fifo:
        case TarType::CharDevice:
        case TarType::BlockDevice:
            return apply.directory.make_node(path, entry);
    }
}
// [/region]

}  // namespace

AppliedLayer apply_layer(int blob, int directory, const ApplyOptions& options) {
    Apply apply{.reader = TarReader(blob, options.name, options.limits, options.more),
                .directory = LayerDirectory(directory, options),
                .options = options};
    AppliedLayer result;
    while (const TarEntry* entry = apply.reader.next()) {
        try {
            apply_entry(apply, *entry);
        } catch (const RefusedEntry& e) {
            throw InputError(apply.reader.where() + ": " + e.what());
        }
        ++result.entries;
        report(apply);
    }
    apply.directory.finish();
    result.diff_id = apply.reader.finish();
    result.bytes = apply.reader.uncompressed_bytes();
    return result;
}

}  // namespace drydock
