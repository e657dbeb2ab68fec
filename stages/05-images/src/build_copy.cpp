#include "build_copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_reader.hpp"

namespace drydock {
namespace {

/// Whether ADD unpacks the file: what it is, its bytes say, not its name.
bool is_archive(const LayerView& tree, const LayerView::Found& found) {
    if (!S_ISREG(found.status.st_mode)) {
        return false;
    }
    std::array<unsigned char, 512> head{};
    const UniqueFd fd = tree.open(found, O_RDONLY | O_NONBLOCK);
    const ssize_t n = ::pread(fd.get(), head.data(), head.size(), 0);
    const auto begins = [&](std::string_view magic, std::size_t at = 0) {
        return n >= static_cast<ssize_t>(at + magic.size()) &&
               std::equal(
                   magic.begin(), magic.end(), head.begin() + static_cast<std::ptrdiff_t>(at),
                   [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
    };
    if (begins("BZh") || begins("\xFD"
                                "7zXZ")) {
        throw NotImplemented(
            fmt::format("ADD of an archive compressed with bzip2 or xz ({})", found.path));
    }
    if (!begins("ustar", 257) && !begins("\x1f\x8b") && !begins("\x28\xb5\x2f\xfd")) {
        return false;
    }
    try {
        TarReader tar(fd.get(), found.path);
        return tar.next() != nullptr;
    } catch (const InputError&) {
        return false;  // compressed, but no tar archive inside
    }
}

void unpack_archive(UpperWriter& writer, const CopyPlan& plan, const LayerView::Found& found,
                    const std::filesystem::path& temporary) {
    const TempDir unpacked("add-", temporary);
    const UniqueFd directory = open_file(unpacked.path(), O_RDONLY | O_DIRECTORY);
    const UniqueFd archive = plan.tree->open(found, O_RDONLY);
    apply_layer(archive.get(), directory.get(), {.name = found.path});
    const LayerView tree({unpacked.path()});
    CopyOptions options = plan.options;
    options.keep_owners = true;
    writer.copy(tree, find_sources(tree, nullptr, "."), {plan.destination, true}, options);
}

}  // namespace

mode_t parse_mode(const std::string& text) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mode > 07777) {
        throw InputError(fmt::format("--chmod={}: expected an octal mode, like 755", text));
    }
    return mode;
}

void copy_planned(UpperWriter& writer, const CopyPlan& plan, bool unpack,
                  const std::filesystem::path& temporary) {
    for (const std::vector<CopySource>& sources : plan.sources) {
        for (const CopySource& source : sources) {
            const LayerView::Found& found = source.items.front().found;
            if (unpack && !source.is_directory && is_archive(*plan.tree, found)) {
                unpack_archive(writer, plan, found, temporary);
            } else {
                writer.copy(*plan.tree, {source}, {plan.destination, plan.into}, plan.options);
            }
        }
    }
}

}  // namespace drydock
