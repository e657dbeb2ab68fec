#include "build_copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
    constexpr std::string_view kXz = "\xFD\x37\x7A\x58\x5A";
    if (!begins("ustar", 257) && !begins("\x1f\x8b") && !begins("\x28\xb5\x2f\xfd") &&
        !begins("BZh") && !begins(kXz)) {
        return false;
    }
    try {
        TarReader tar(fd.get(), found.path);
        return tar.next() != nullptr;
    } catch (const InputError&) {
        return false;  // compressed, but no tar archive inside
    }
}

void unpack_archive(UpperWriter& writer, const CopyPlan& plan, const LayerView& from,
                    const LayerView::Found& found, const std::filesystem::path& temporary) {
    const TempDir unpacked("add-", temporary);
    const UniqueFd directory = open_file(unpacked.path(), O_RDONLY | O_DIRECTORY);
    const UniqueFd archive = from.open(found, O_RDONLY);
    apply_layer(archive.get(), directory.get(), {.name = found.path});
    const LayerView tree({unpacked.path()});
    CopyOptions options = plan.options;
    options.keep_owners = true;
    writer.copy(tree, find_sources(tree, {.pattern = "."}), {plan.destination, true}, options);
}

}  // namespace

CopyTree& add_tree(CopyPlan& plan, const std::filesystem::path& temporary) {
    plan.made.push_back(std::make_unique<CopyTree>());
    CopyTree& tree = *plan.made.back();
    tree.directory = TempDir("copy-", temporary);
    tree.view.emplace(std::vector{tree.directory.path()});
    return tree;
}

void copy_planned(UpperWriter& writer, const CopyPlan& plan,
                  const std::filesystem::path& temporary) {
    for (const CopyFrom& from : plan.from) {
        for (const CopySource& source : from.sources) {
            const LayerView::Found& found = source.items.front().found;
            if (from.unpack && !source.is_directory && is_archive(*from.tree, found)) {
                unpack_archive(writer, plan, *from.tree, found, temporary);
                continue;
            }
            CopyDestination destination{plan.destination, plan.into};
            if (plan.parents) {
                destination.path +=
                    "/" + (source.is_directory ? source.path
                                               : source.path.substr(0, source.path.rfind('/') + 1));
            }
            writer.copy(*from.tree, {source}, destination, plan.options);
        }
    }
}

}  // namespace drydock
