// How images lose their names, and what then nobody needs any more.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "04-layers/chain_id.hpp"

#include "image_index.hpp"

namespace drydock {

void ImageStore::untag(const Reference& name) {
    const Lock lock(*this);
    std::vector<Entry> entries = read_index();
    const auto found = std::ranges::find_if(entries, [&](const Entry& entry) {
        return names_same(name, entry.name, entry.manifest.digest);
    });
    if (found == entries.end()) {
        throw InputError("No such image: " + familiar(name));
    }
    const Digest manifest = found->manifest.digest;
    if (std::ranges::count(entries, manifest,
                           [](const Entry& entry) { return entry.manifest.digest; }) > 1) {
        entries.erase(found);
    } else {
        found->name.reset();
    }
    write_index(entries);
}

Removal ImageStore::remove(const Image& image, const std::function<bool(const Digest&)>& in_use) {
    const Lock lock(*this);
    const std::vector<Entry> entries = read_index();
    const std::vector<Image> images = images_of(entries);
    const auto found = std::ranges::find(images, image.id, &Image::id);
    if (found == images.end()) {
        throw InputError("No such image: " + image.id.text());
    }
    Removal removal;
    for (const Reference& name : found->references) {
        removal.untagged.push_back(familiar(name));
    }
    std::vector<Entry> left;
    for (const Entry& entry : entries) {
        const std::vector<Image> its = images_of({entry});
        if (its.empty() || its.front().id != image.id) {
            left.push_back(entry);
        }
    }
    if (in_use && in_use(image.id)) {
        left.push_back({.manifest = found->manifest});
        write_index(left);
        return removal;
    }
    write_index(left);
    removal.deleted = remove_unneeded(*found, left);
    return removal;
}

/// Names are gone already; then manifest, configuration, layers: a crash in between leaves blobs
/// that nobody names, never a name without its blobs.
std::vector<Digest> ImageStore::remove_unneeded(const Image& removed,
                                                const std::vector<Entry>& left) {
    std::set<Digest> blobs;
    std::set<Digest> chains;
    for (const Image& image : images_of(left)) {
        blobs.insert({image.id, image.manifest.digest});
        for (const oci::Descriptor& layer : manifest(image).layers) {
            blobs.insert(layer.digest);
        }
        for (const Digest& chain : chain_ids(config(image).diff_ids)) {
            chains.insert(chain);
        }
    }
    const oci::Manifest manifest = this->manifest(removed);
    std::vector<Digest> own_chains = chain_ids(config(removed).diff_ids);

    std::vector<Digest> deleted = {removed.id};
    content_.remove(removed.manifest.digest);
    content_.remove(removed.id);
    for (const oci::Descriptor& layer : manifest.layers) {
        if (!blobs.contains(layer.digest)) {
            content_.remove(layer.digest);
            deleted.push_back(layer.digest);
        }
    }
    std::ranges::reverse(own_chains);  // nothing may stand on a layer that goes
    for (const Digest& chain : own_chains) {
        if (!chains.contains(chain)) {
            snapshots_.remove_layer(chain);
        }
    }
    return deleted;
}

Removal ImageStore::remove_by_name(std::string_view name, bool force,
                                   const std::function<bool(const Digest&)>& in_use) {
    const Image image = get(name);
    const auto reference = id_prefix(name).size() < 64 ? try_reference(name) : std::nullopt;
    const auto by_name = std::ranges::find_if(image.references, [&](const Reference& own) {
        return reference && names_same(*reference, own, image.manifest.digest);
    });
    if (by_name == image.references.end()) {
        if (image.references.size() > 1 && !force) {
            throw InputError(
                fmt::format("conflict: unable to delete {} (must be forced) - image is "
                            "referenced in multiple repositories",
                            image.id.hex().substr(0, 12)));
        }
        return remove(image, in_use);
    }
    if (image.references.size() == 1) {
        return remove(image, in_use);
    }
    untag(*by_name);
    return {.untagged = {familiar(*by_name)}};
}

}  // namespace drydock
