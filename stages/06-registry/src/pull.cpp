#include "06-registry/pull.hpp"

#include <chrono>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/image_garbage.hpp"
#include "05-images/image_store.hpp"

#include "registry_client.hpp"
#include "report.hpp"

namespace drydock {
namespace {

/// Removes what this pull fetched, unless it succeeded.
class Fetched {
  public:
    explicit Fetched(const ContentStore& store) : store_(&store) {}
    ~Fetched() {
        for (const Digest& digest : blobs_) {
            try {
                store_->remove(digest);
            } catch (const std::exception&) {  // best effort: unused bytes harm nobody
                continue;
            }
        }
    }
    Fetched(const Fetched&) = delete;
    Fetched& operator=(const Fetched&) = delete;
    Fetched(Fetched&&) = delete;
    Fetched& operator=(Fetched&&) = delete;

    void add(const Digest& digest) { blobs_.insert(digest); }
    void keep() { blobs_.clear(); }

  private:
    const ContentStore* store_;
    std::set<Digest> blobs_{};
};

RegistryClient::Document manifest_for_us(RegistryClient& client, const Reference& reference) {
    auto document = client.manifest(reference.digest ? reference.digest->text() : reference.tag);
    if (!looks_like_index(document.text, "manifest")) {
        return document;
    }
    const oci::Index index = parse_index(document.text, document.media_type, "index");
    auto chosen = client.manifest(choose_platform(index, host_platform()).digest.text());
    if (looks_like_index(chosen.text, "manifest")) {
        throw RegistryError(fmt::format("{}: an index within an index", client.origin()), 200);
    }
    return chosen;
}

void fetch(RegistryClient& client, const ContentStore& store, const oci::Descriptor& blob,
           const Report& report) {
    const std::string id = short_id(blob.digest);
    client.fetch_blob(store, blob, [&](std::uint64_t bytes) {
        report.bytes(id, "Downloading", bytes, blob.size);
    });
    report.line(id,
                "Verifying Checksum");  // it was, on the way: docker's clients wait for the words
    report.line(id, "Download complete");
}

void fetch_blobs(RegistryClient& client, const ContentStore& store, const oci::Manifest& manifest,
                 const Report& report, Fetched& fetched) {
    for (const oci::Descriptor& layer : manifest.layers) {
        report.line(short_id(layer.digest),
                    store.contains(layer.digest) ? "Already exists" : "Pulling fs layer");
    }
    if (manifest.config.size > kMaxConfigSize) {
        throw RegistryError(
            fmt::format("the image configuration is larger than {} bytes", kMaxConfigSize), 200);
    }
    if (!store.contains(manifest.config.digest)) {
        client.fetch_blob(store, manifest.config, [](std::uint64_t) {});
        fetched.add(manifest.config.digest);
    }
    for (const oci::Descriptor& layer : manifest.layers) {
        if (!store.contains(layer.digest)) {
            fetch(client, store, layer, report);
            fetched.add(layer.digest);
        }
    }
}

/// The name is given last, when everything it leads to has been checked.
void install(ImageStore& store, const RegistryClient::Document& document,
             const Reference& reference) {
    const Image image = store.put_manifest(document.text, document.media_type, std::nullopt);
    try {
        store.unpack(image);
    } catch (...) {
        if (image.references.empty()) {
            store.remove(image);
        }
        throw;
    }
    if (!reference.digest) {  // a digest is no name to give: the image is had by its ID then
        store.tag(image, reference);
    }
}

}  // namespace

// [region: pull]
std::string pull(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress) {
    const Report report(progress);
    RegistryClient client(reference, credentials, "pull");
    client.on_tick([&] { report.tick(); });
    const auto document = manifest_for_us(client, reference);
    const oci::Manifest manifest =
        parse_manifest(document.text, document.media_type, document.digest.text());
    const std::optional<Image> before =
        reference.digest ? store.find(document.digest.text()) : store.find(reference);
    const bool new_here = !before || before->manifest.digest != document.digest;

    report.line(reference.digest ? reference.digest->text() : reference.tag,
                "Pulling from " + reference.path);
    const StoreLease lease(store);
    Fetched fetched(store.content());
    fetch_blobs(client, store.content(), manifest, report, fetched);
    for (const oci::Descriptor& layer : manifest.layers) {
        report.line(short_id(layer.digest), "Extracting");
    }
    install(store, document, reference);
    fetched.keep();
    for (const oci::Descriptor& layer : manifest.layers) {
        report.line(short_id(layer.digest), "Pull complete");
    }
    report.line("", "Digest: " + document.digest.text());
    report.line("", fmt::format("Status: {} for {}",
                                new_here ? "Downloaded newer image" : "Image is up to date",
                                familiar(reference)));
    return document.digest.text();
}
// [/region]

}  // namespace drydock
