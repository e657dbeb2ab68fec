#include "05-images/image_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/chain_id.hpp"

#include "image_index.hpp"

namespace drydock {
namespace {

constexpr const char* kRefName = "org.opencontainers.image.ref.name";

const std::filesystem::path& made(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory.parent_path());
    if (::mkdir(directory.c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", directory.native());
    }
    return directory;
}

}  // namespace

ImageStore::ImageStore(const std::filesystem::path& data_root)
    : data_root_(std::filesystem::absolute(data_root).lexically_normal()),
      root_(open_file(made(data_root_), O_RDONLY | O_DIRECTORY)),
      content_(data_root_),
      snapshots_(data_root_ / "snapshots") {}

std::vector<ImageStore::Entry> ImageStore::read_index() const {
    const oci::Index index =
        parse_index(content_.read_index(), {}, (data_root_ / "index.json").native());
    std::vector<Entry> result;
    for (const oci::Descriptor& manifest : index.manifests) {
        Entry entry{.manifest = manifest};
        if (const auto name = manifest.annotations.find(kRefName);
            name != manifest.annotations.end()) {
            entry.name = try_reference(name->second);
        }
        result.push_back(std::move(entry));
    }
    return result;
}

void ImageStore::write_index(const std::vector<Entry>& entries) {
    oci::Index index{.media_type = std::string(media_type::kOciIndex)};
    for (const Entry& entry : entries) {
        oci::Descriptor manifest = entry.manifest;
        manifest.annotations.erase(kRefName);
        if (entry.name) {
            manifest.annotations[kRefName] = to_string(*entry.name);
        }
        index.manifests.push_back(std::move(manifest));
    }
    content_.replace_index(to_text(index));
}

/// The images of these entries, one an image ID, in the order in which they first occur. What
/// cannot be read is left out: one damaged image may not hide the others.
std::vector<Image> ImageStore::images_of(const std::vector<Entry>& entries) const {
    std::vector<Image> result;
    for (const Entry& entry : entries) {
        if (!media_type::is_manifest(entry.manifest.media_type)) {
            continue;
        }
        Image image{.manifest = entry.manifest};
        try {
            const oci::Manifest manifest = this->manifest(image);
            image.id = manifest.config.digest;
            image.size = manifest.config.size;
            for (const oci::Descriptor& layer : manifest.layers) {
                image.size += layer.size;
            }
        } catch (const InputError&) {
            continue;
        }
        auto known = std::ranges::find(result, image.id, &Image::id);
        if (known == result.end()) {
            result.push_back(std::move(image));
            known = std::prev(result.end());
        }
        if (entry.name) {
            known->references.push_back(*entry.name);
        }
    }
    for (Image& image : result) {
        std::ranges::sort(image.references, {}, [](const Reference& r) { return to_string(r); });
    }
    return result;
}

std::optional<Image> ImageStore::find(const Reference& reference) const {
    const std::vector<Entry> entries = read_index();
    const auto found = std::ranges::find_if(entries, [&](const Entry& entry) {
        return names_same(reference, entry.name, entry.manifest.digest);
    });
    if (found == entries.end()) {
        return std::nullopt;
    }
    std::vector<Entry> same;
    std::ranges::copy_if(entries, std::back_inserter(same), [&](const Entry& entry) {
        return entry.manifest.digest == found->manifest.digest;
    });
    std::vector<Image> images = images_of(same);
    if (images.empty()) {
        throw InputError(fmt::format("{}: its manifest {} is missing or damaged",
                                     familiar(reference), found->manifest.digest.text()));
    }
    return std::move(images.front());
}

// [region: find-image]
std::optional<Image> ImageStore::find(std::string_view name) const {
    const std::string_view prefix = id_prefix(name);
    if (prefix.size() < 64) {
        if (const auto reference = try_reference(name)) {
            if (auto image = find(*reference)) {
                return image;
            }
        } else if (prefix.empty()) {
            static_cast<void>(parse_reference(name));  // says what is wrong with it
        }
    }
    if (prefix.empty()) {
        return std::nullopt;
    }
    std::optional<Image> result;
    for (Image& image : images_of(read_index())) {
        if (image.id.hex().starts_with(prefix) || image.manifest.digest.hex() == prefix) {
            if (result) {
                throw InputError(fmt::format("image ID {} is ambiguous: {} and {} begin with it",
                                             name, result->id.text(), image.id.text()));
            }
            result = std::move(image);
        }
    }
    return result;
}
// [/region]

Image ImageStore::get(std::string_view name) const {
    if (auto image = find(name)) {
        return *std::move(image);
    }
    const auto reference = id_prefix(name).empty() ? try_reference(name) : std::nullopt;
    throw InputError(
        fmt::format("No such image: {}", reference ? familiar(*reference) : std::string(name)));
}

std::vector<Image> ImageStore::list() const {
    std::vector<std::pair<std::string, Image>> dated;
    for (Image& image : images_of(read_index())) {
        try {
            std::string created = config(image).created;
            dated.emplace_back(std::move(created), std::move(image));
        } catch (const InputError&) {
            continue;  // damaged
        }
    }
    std::ranges::stable_sort(dated, std::greater{}, [](const auto& pair) { return pair.first; });
    std::vector<Image> result;
    for (auto& [created, image] : dated) {
        result.push_back(std::move(image));
    }
    return result;
}

std::string ImageStore::manifest_text(const Image& image) const {
    return content_.read(image.manifest.digest, kMaxManifestSize);
}

std::string ImageStore::config_text(const Image& image) const {
    return content_.read(image.id, kMaxConfigSize);
}

oci::Manifest ImageStore::manifest(const Image& image) const {
    return parse_manifest(manifest_text(image), image.manifest.media_type,
                          "manifest " + image.manifest.digest.text());
}

oci::ImageConfig ImageStore::config(const Image& image) const {
    return parse_image_config(config_text(image), "image configuration " + image.id.text());
}

namespace {

void check_present(const ContentStore& content, const oci::Descriptor& blob,
                   const std::string& name) {
    if (!content.contains(blob.digest)) {
        throw InputError(fmt::format("{}: its blob {} is missing", name, blob.digest.text()));
    }
    if (const std::uint64_t size = content.size(blob.digest); size != blob.size) {
        throw InputError(fmt::format("{}: blob {} has {} bytes; expected {}", name,
                                     blob.digest.text(), size, blob.size));
    }
}

}  // namespace

Image ImageStore::put_manifest(std::string_view text, std::string_view type,
                               const std::optional<Reference>& name) {
    Image image;
    image.manifest.digest = digest_of(text);
    image.manifest.size = text.size();
    const std::string document = "manifest " + image.manifest.digest.text();
    const oci::Manifest manifest = parse_manifest(text, type, document);
    image.manifest.media_type = manifest.media_type;
    image.id = manifest.config.digest;

    // Looked at under the lock: remove() may not take a blob away between the look and the new
    // entry.
    const Lock lock(*this);
    check_present(content_, manifest.config, document);
    for (const oci::Descriptor& layer : manifest.layers) {
        check_present(content_, layer, document);
    }
    static_cast<void>(config(image));
    static_cast<void>(content_.put(text));
    add_name(image.manifest, name);
    const std::vector<Image> images = images_of(read_index());
    return *std::ranges::find(images, image.id, &Image::id);
}

/// Makes `name` (nothing: no name) an entry for that manifest; to be called under the lock.
void ImageStore::add_name(const oci::Descriptor& manifest, const std::optional<Reference>& name) {
    std::vector<Entry> entries = read_index();
    const auto is_known = [&](const Entry& entry) {
        return entry.manifest.digest == manifest.digest;
    };
    if (name) {
        for (Entry& entry : entries) {
            if (entry.name == name) {
                entry.name.reset();  // dangling from here on, unless it has other names
            }
        }
    } else if (std::ranges::any_of(entries, is_known)) {
        return;
    }
    entries.push_back({.manifest = manifest, .name = name});
    std::set<Digest> named;
    for (const Entry& entry : entries) {
        if (entry.name) {
            named.insert(entry.manifest.digest);
        }
    }
    std::set<Digest> seen;
    std::erase_if(entries, [&](const Entry& entry) {
        return !entry.name && (named.contains(entry.manifest.digest) ||
                               !seen.insert(entry.manifest.digest).second);
    });
    write_index(entries);
}

Image ImageStore::put_image(const oci::ImageConfig& config,
                            const std::vector<oci::Descriptor>& layers,
                            const std::optional<Reference>& name) {
    const std::string text = to_text(config);
    const oci::Manifest manifest{.media_type = std::string(media_type::kOciManifest),
                                 .config = {.media_type = std::string(media_type::kOciConfig),
                                            .digest = content_.put(text),
                                            .size = text.size()},
                                 .layers = layers};
    return put_manifest(to_text(manifest), manifest.media_type, name);
}

void ImageStore::tag(const Image& image, const Reference& name) {
    if (name.digest) {
        throw InputError(fmt::format("{}: a name to give has a tag, not a digest", familiar(name)));
    }
    const Lock lock(*this);
    if (!content_.contains(image.manifest.digest)) {
        throw InputError("No such image: " + image.id.text());
    }
    add_name(image.manifest, name);
}

std::vector<Digest> ImageStore::unpack(const Image& image) {
    return unpack(manifest(image).layers, config(image).diff_ids, "image " + image.id.text());
}

// [region: unpack-image]
std::vector<Digest> ImageStore::unpack(const std::vector<oci::Descriptor>& layers,
                                       const std::vector<Digest>& diff_ids, std::string_view name) {
    if (layers.size() != diff_ids.size()) {
        throw InputError(
            fmt::format("{}: its manifest has {} layers, its configuration {} diff_ids", name,
                        layers.size(), diff_ids.size()));
    }
    const std::vector<Digest> chains = chain_ids(diff_ids);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        if (!snapshots_.contains(chains[i])) {
            snapshots_.commit_layer(content_, std::span(chains).first(i), layers[i].digest,
                                    diff_ids[i]);
        }
    }
    return chains;
}
// [/region]

}  // namespace drydock
