#include "05-images/image_fsck.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "store_alone.hpp"

namespace drydock {
namespace {

/// Documents of an index.json, and what they name.
struct ImageCheck {
    const ImageStore& store;
    FsckReport& report;

    void fault(std::string text) { report.faults.push_back({.text = std::move(text)}); }

    bool is_there(const oci::Descriptor& blob, const std::string& name) {
        if (!store.content().contains(blob.digest)) {
            fault(fmt::format("image {}: its blob {} is missing; pull, load or build it again",
                              name, blob.digest.text()));
            return false;
        }
        if (const std::uint64_t size = store.content().size(blob.digest); size != blob.size) {
            fault(fmt::format("image {}: its blob {} has {} bytes, and {} in its descriptor", name,
                              blob.digest.text(), size, blob.size));
            return false;
        }
        return true;
    }

    void manifest(const oci::Descriptor& descriptor, const std::string& name) {
        if (!is_there(descriptor, name)) {
            return;
        }
        try {
            const std::string text = store.content().read(descriptor.digest, kMaxManifestSize);
            if (looks_like_index(text, name)) {
                for (const oci::Descriptor& child : parse_index(text, {}, name).manifests) {
                    // An index names platforms that nobody has pulled.
                    if (store.content().contains(child.digest)) {
                        manifest(child, name);
                    }
                }
                return;
            }
            const oci::Manifest parsed = parse_manifest(text, descriptor.media_type, name);
            const bool has_config = is_there(parsed.config, name);
            for (const oci::Descriptor& layer : parsed.layers) {
                is_there(layer, name);
            }
            if (has_config && media_type::is_manifest(descriptor.media_type)) {
                static_cast<void>(store.content().read(parsed.config.digest, kMaxConfigSize));
            }
            ++report.images;
        } catch (const InputError& e) {
            fault(fmt::format("image {}: {}", name, e.what()));
        }
    }
};

}  // namespace

FsckReport check_store(ImageStore& store, const FsckOptions& options) {
    const StoreAlone alone(store);
    FsckReport report;
    report.blobs = store.content().list().size();
    report.faults = check_blobs(store.content(), options, report.bytes);
    const auto snapshots =
        check_snapshots(store.data_root() / "snapshots", store.data_root() / "quarantine", options);
    report.faults.insert(report.faults.end(), snapshots.begin(), snapshots.end());
    report.layers = store.snapshots().list().size();
    // Last: a blob that was damaged is missing by now.
    ImageCheck check{.store = store, .report = report};
    const oci::Index index = parse_index(store.content().read_index(), {}, "index.json");
    for (const oci::Descriptor& entry : index.manifests) {
        const auto name = entry.annotations.find("org.opencontainers.image.ref.name");
        check.manifest(entry, name == entry.annotations.end() ? entry.digest.text() : name->second);
    }
    return report;
}

std::string fsck_text(const FsckReport& report) {
    std::string text;
    std::size_t repaired = 0;
    for (const StoreFault& fault : report.faults) {
        text += fmt::format("{}{}\n", fault.text, fault.repaired ? " (put into quarantine)" : "");
        repaired += fault.repaired ? 1 : 0;
    }
    return text + fmt::format("{} images, {} blobs of {} bytes, {} unpacked layers: {}\n",
                              report.images, report.blobs, report.bytes, report.layers,
                              report.faults.empty()
                                  ? "all well"
                                  : fmt::format("{} faults, {} put into quarantine",
                                                report.faults.size(), repaired));
}

}  // namespace drydock
