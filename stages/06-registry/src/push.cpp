#include "06-registry/push.hpp"

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/image_store.hpp"

#include "registry_client.hpp"
#include "report.hpp"

namespace drydock {
namespace {

void send(RegistryClient& client, const ContentStore& store, const oci::Descriptor& blob,
          const std::string& id, const Report& report) {
    if (client.has_blob(blob.digest)) {
        report.line(id, "Layer already exists");
        return;
    }
    client.send_blob(store, blob,
                     [&](std::uint64_t bytes) { report.bytes(id, "Pushing", bytes, blob.size); });
    report.line(id, "Pushed");
}

}  // namespace

// [region: push]
std::string push(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress) {
    const auto image = store.find(reference);
    if (!image) {
        throw InputError(fmt::format("An image does not exist locally with the tag: {}",
                                     familiar_repository(reference)));
    }
    const Report report(progress);
    const oci::Manifest manifest = store.manifest(*image);
    const std::vector<Digest> diff_ids = store.config(*image).diff_ids;
    RegistryClient client(reference, credentials, "pull,push");
    client.on_tick([&] { report.tick(); });

    report.line("",
                fmt::format("The push refers to repository [{}]", familiar_repository(reference)));
    const auto id_of = [&](std::size_t i) {  // a user knows a layer by its DiffID
        return short_id(i < diff_ids.size() ? diff_ids[i] : manifest.layers[i].digest);
    };
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        report.line(id_of(i), "Preparing");
    }
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        send(client, store.content(), manifest.layers[i], id_of(i), report);
    }
    if (!client.has_blob(manifest.config.digest)) {
        client.send_blob(store.content(), manifest.config, [](std::uint64_t) {});
    }
    // Last: a registry takes a manifest only when it has everything that the manifest names.
    const std::string text = store.manifest_text(*image);
    client.put_manifest(reference.tag.empty() ? image->manifest.digest.text() : reference.tag,
                        image->manifest.media_type, text);
    report.line("", fmt::format("{}: digest: {} size: {}", reference.tag,
                                image->manifest.digest.text(), text.size()));
    return image->manifest.digest.text();
}
// [/region]

}  // namespace drydock
