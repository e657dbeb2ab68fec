#include "06-registry/push.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/image_store.hpp"

#include "blob_origins.hpp"
#include "layer_arrivals.hpp"
#include "registry_client.hpp"

namespace drydock {
namespace {

constexpr unsigned kUploads = 5;

/// A blob of the image, and what a user knows it by; nothing for the configuration.
struct Outgoing {
    oci::Descriptor blob{};
    std::string id{};
};

/// One push under way.
struct Push {
    ImageStore& store;
    const Reference& reference;
    std::vector<Outgoing> blobs{};
    std::size_t next = 0;
    TransferCrew& crew;
};

/// The layers, each blob once.
std::vector<Outgoing> outgoing(const oci::Manifest& manifest, const std::vector<Digest>& diff_ids) {
    std::vector<Outgoing> result;
    std::set<Digest> known;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const oci::Descriptor& layer = manifest.layers[i];
        if (known.insert(layer.digest).second) {  // a user knows a layer by its DiffID
            result.push_back(
                {.blob = layer, .id = short_id(i < diff_ids.size() ? diff_ids[i] : layer.digest)});
        }
    }
    return result;
}

// [region: send-layer]
/// Looks, takes over, sends: the first of these that does it.
/// @return docker's word for it
std::string bring(RegistryClient& client, Push& push, const Outgoing& outgoing) {
    const Digest& digest = outgoing.blob.digest;
    const std::string name = outgoing.id.empty() ? "the configuration" : "layer " + outgoing.id;
    if (!outgoing.id.empty() && client.has_blob(digest, name)) {
        return "Layer already exists";
    }
    for (const std::string& from :
         known_origins(push.store, digest, push.reference.domain, push.reference.path)) {
        if (client.mount_blob(digest, from)) {
            return "Mounted from " + from;
        }
    }
    client.send_blob(push.store.content(), outgoing.blob, [&](std::uint64_t bytes) {
        push.crew.go_on();
        if (!outgoing.id.empty()) {
            push.crew.bytes(outgoing.id, "Pushing", bytes, outgoing.blob.size);
        }
    });
    return "Pushed";
}
// [/region]

/// What each thread that sends does, until no blob is left.
void send_blobs(RegistryClient client, Push& push) {
    client.on_tick([&] { push.crew.go_on(); });
    while (true) {
        std::size_t i = 0;
        push.crew.change([&] { i = push.next++; });
        if (i >= push.blobs.size()) {
            return;
        }
        push.crew.go_on();
        const std::string word = bring(client, push, push.blobs[i]);
        if (!push.blobs[i].id.empty()) {
            push.crew.line(push.blobs[i].id, word);
        }
    }
}

void send_all(RegistryClient& client, Push& push, const oci::Descriptor& config, unsigned at_once) {
    // Asked before the threads begin, which are then let in already.
    if (!client.has_blob(config.digest, "the configuration")) {
        push.blobs.push_back({.blob = config});
    }
    push.crew.wait();
    const auto threads = std::min<std::size_t>(push.blobs.size(), at_once);
    for (std::size_t i = 0; i < threads; ++i) {
        push.crew.start([&, own = std::make_shared<RegistryClient>(client.another())] {
            send_blobs(std::move(*own), push);
        });
    }
    push.crew.wait();
}

/// Another repository can be taken from only by who may read it.
void ask_for_origins(RegistryClient& client, const Push& push) {
    std::set<std::string> repositories;
    for (const Outgoing& outgoing : push.blobs) {
        for (const std::string& from : known_origins(push.store, outgoing.blob.digest,
                                                     push.reference.domain, push.reference.path)) {
            repositories.insert(from);
        }
    }
    for (const std::string& from : repositories) {
        client.also(fmt::format("repository:{}:pull", from));
    }
}

}  // namespace

// [region: push]
std::string push(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress, const TransferOptions& options) {
    const auto image = store.find(reference);
    if (!image) {
        throw InputError(fmt::format("An image does not exist locally with the tag: {}",
                                     familiar_repository(reference)));
    }
    const unsigned at_once = options.at_once != 0
                                 ? options.at_once
                                 : daemon_number("max-concurrent-uploads").value_or(kUploads);
    TransferCrew crew(progress);
    const oci::Manifest manifest = store.manifest(*image);
    Push push{.store = store,
              .reference = reference,
              .blobs = outgoing(manifest, store.config(*image).diff_ids),
              .crew = crew};
    RegistryClient client(reference, credentials, "pull,push");
    client.explain(options.explain);
    ask_for_origins(client, push);

    crew.line("",
              fmt::format("The push refers to repository [{}]", familiar_repository(reference)));
    for (const Outgoing& outgoing : push.blobs) {
        if (!outgoing.id.empty()) {
            crew.line(outgoing.id, "Preparing");
        }
    }
    send_all(client, push, manifest.config, at_once);
    // Last: a registry takes a manifest only when it has everything that the manifest names.
    const std::string text = store.manifest_text(*image);
    client.put_manifest(reference.tag.empty() ? image->manifest.digest.text() : reference.tag,
                        image->manifest.media_type, text);
    remember_origin(store, manifest, reference);
    crew.line("", fmt::format("{}: digest: {} size: {}", reference.tag,
                              image->manifest.digest.text(), text.size()));
    crew.wait();
    return image->manifest.digest.text();
}
// [/region]

}  // namespace drydock
