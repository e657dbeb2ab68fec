#include "06-registry/pull.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "04-layers/chain_id.hpp"
#include "05-images/image_garbage.hpp"
#include "05-images/image_store.hpp"

#include "blob_hold.hpp"
#include "blob_origins.hpp"
#include "layer_arrivals.hpp"
#include "pull_holds.hpp"
#include "registry_client.hpp"
#include "transfer_fault.hpp"

namespace drydock {
namespace {

constexpr unsigned kDownloads = 3;

/// One pull under way.
struct Pull {
    ImageStore& store;
    const Reference& reference;
    oci::Manifest manifest{};
    std::vector<Digest> diff_ids{};
    PullHolds holds;
    TransferCrew& crew;
};

RegistryClient::Document manifest_for(RegistryClient& client, const Reference& reference,
                                      const oci::Platform& platform) {
    auto document = client.manifest(reference.digest ? reference.digest->text() : reference.tag,
                                    "the manifest, or an index of several");
    if (!looks_like_index(document.text, "manifest")) {
        return document;
    }
    const oci::Index index = parse_index(document.text, document.media_type, "index");
    auto chosen = client.manifest(choose_platform(index, platform).digest.text(),
                                  "the manifest for the platform, of the index");
    if (looks_like_index(chosen.text, "manifest")) {
        throw RegistryError(fmt::format("{}: an index within an index", client.origin()), 200);
    }
    return chosen;
}

/// The blob is here afterwards. What is passed on of it is what nobody has checked yet.
/// @param coming gets the bytes for reading, and how many are there; not when a killed process left
/// the first of them
BlobHold fetch(RegistryClient& client, const ContentStore& store, const oci::Descriptor& blob,
               const std::string& why, const std::function<void(UniqueFd, std::uint64_t)>& coming,
               const std::function<void(std::uint64_t)>& progressed) {
    BlobHold hold(store, blob.digest, progressed);
    if (!hold.to_fetch()) {
        return hold;
    }
    for (bool resumed = true; resumed;) {
        Ingest ingest = hold.begin(blob.size);
        resumed = ingest.size() != 0;
        try {
            if (!resumed) {
                coming(ingest.reader(), ingest.size());
            }
            client.fetch_blob(ingest, blob, why, progressed);
            ingest.commit(blob.digest, blob.size);
            break;
        } catch (const InputError&) {
            if (!resumed) {
                throw;
            }
            // What a killed process left may not be what it had written: from the beginning, then.
        }
    }
    hold.fetched();
    return hold;
}

void fetch_config(RegistryClient& client, Pull& pull) {
    if (pull.manifest.config.size > kMaxConfigSize) {
        throw RegistryError(
            fmt::format("the image configuration is larger than {} bytes", kMaxConfigSize), 200);
    }
    pull.holds.add(fetch(
        client, pull.store.content(), pull.manifest.config, "its configuration",
        [](UniqueFd, std::uint64_t) {}, [](std::uint64_t) {}));
    const std::string text = pull.store.content().read(pull.manifest.config.digest, kMaxConfigSize);
    pull.diff_ids =
        parse_image_config(text, "image configuration " + pull.manifest.config.digest.text())
            .diff_ids;
    if (pull.diff_ids.size() != pull.manifest.layers.size()) {
        throw InputError(fmt::format(
            "{}: its manifest has {} layers, its configuration {} diff_ids",
            familiar(pull.reference), pull.manifest.layers.size(), pull.diff_ids.size()));
    }
}

// [region: fetch-layers]
/// What each thread that fetches does, until no layer is left.
void fetch_layers(RegistryClient client, Pull& pull, LayerArrivals& arrivals) {
    TransferCrew& crew = pull.crew;
    client.on_tick([&] { crew.go_on(); });
    for (std::size_t i = 0; (i = arrivals.take()) < arrivals.size();) {
        const oci::Descriptor& blob = arrivals.layer(i);
        const std::string id = short_id(blob.digest);
        const bool known = pull.store.content().contains(blob.digest);
        bool told = false;
        pull.holds.add(fetch(
            client, pull.store.content(), blob, "layer " + id,
            [&](UniqueFd bytes, std::uint64_t size) { arrivals.coming(i, std::move(bytes), size); },
            [&](std::uint64_t size) {
                crew.go_on();
                arrivals.grown(i, size);
                crew.bytes(id, "Downloading", size, blob.size);
                if (!std::exchange(told, true)) {
                    fault_after("pull-layer-bytes");
                }
            }));
        fault_after("pull-layer");
        if (!known) {
            // It was, on the way: docker's clients wait for the words.
            crew.line(id, "Verifying Checksum");
            crew.line(id, "Download complete");
        }
        arrivals.here(i);
    }
}
// [/region]

// [region: unpack-layers]
/// Unpacks the layers, the lowest first, each as it comes.
void unpack_layers(Pull& pull, LayerArrivals& arrivals) {
    const std::vector<Digest> chains = chain_ids(pull.diff_ids);
    Snapshotter& snapshots = pull.store.snapshots();
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
        const Digest& blob = arrivals.layer(i).digest;
        const std::string id = short_id(blob);
        UniqueFd coming = arrivals.await_coming(i);
        DigestLock lock(pull.store.content(), DigestLock::Of::Layer, chains[i]);
        const bool known = lock.wait_for([&] { return snapshots.contains(chains[i]); },
                                         [&] { pull.crew.go_on(); });
        if (!known) {
            const UniqueFd bytes = coming ? std::move(coming) : pull.store.content().open(blob);
            const LayerBytes layer{
                .fd = bytes.get(), .name = blob.text(), .more = [&](std::uint64_t read) {
                    if (arrivals.is_here(i)) {
                        pull.crew.bytes(id, "Extracting", read, arrivals.layer(i).size);
                    }
                    return arrivals.await_more(i, read);
                }};
            snapshots.commit_layer(layer, std::span(chains).first(i), pull.diff_ids[i],
                                   [&](std::uint64_t) { pull.crew.go_on(); });
        }
        pull.holds.add_layer(chains[i], std::move(lock), !known);
        arrivals.await_here(i);
        fault_after("pull-unpack");
        pull.crew.line(id, "Pull complete");
    }
}
// [/region]

void bring_layers(RegistryClient& client, Pull& pull, unsigned at_once) {
    LayerArrivals arrivals(pull.crew, pull.manifest.layers);
    const ContentStore& content = pull.store.content();
    unsigned missing = 0;
    for (const oci::Descriptor& layer : pull.manifest.layers) {
        const bool known = content.contains(layer.digest);
        pull.crew.line(short_id(layer.digest), known ? "Already exists" : "Pulling fs layer");
        missing += known ? 0 : 1;
    }
    for (unsigned i = 0; i < std::clamp(missing, 1U, at_once); ++i) {
        pull.crew.start([&, own = std::make_shared<RegistryClient>(client.another())] {
            fetch_layers(std::move(*own), pull, arrivals);
        });
    }
    pull.crew.start([&] { unpack_layers(pull, arrivals); });
    pull.crew.wait();
}

/// The name is given last, when everything it leads to has been checked.
void install(ImageStore& store, const RegistryClient::Document& document,
             const Reference& reference) {
    const Image image = store.put_manifest(document.text, document.media_type, std::nullopt);
    fault_after("pull-install");
    try {
        store.unpack(image);
    } catch (...) {
        if (image.references.empty()) {
            store.remove(image);
        }
        throw;
    }
    fault_after("pull-tag");
    if (!reference.digest) {  // a digest is no name to give: the image is had by its ID then
        store.tag(image, reference);
    }
}

// [region: pull]
std::string bring_image(ImageStore& store, const Reference& reference,
                        const Credentials& credentials, const ProgressCallback& progress,
                        const TransferOptions& options) {
    const unsigned at_once = options.at_once != 0
                                 ? options.at_once
                                 : daemon_number("max-concurrent-downloads").value_or(kDownloads);
    TransferCrew crew(progress);
    RegistryClient client(reference, credentials, "pull");
    client.explain(options.explain);
    const auto document =
        manifest_for(client, reference, options.platform.value_or(host_platform()));
    fault_after("pull-manifest");
    const StoreLease lease(store);
    Pull pull{
        .store = store,
        .reference = reference,
        .manifest = parse_manifest(document.text, document.media_type, document.digest.text()),
        .holds = PullHolds(store),
        .crew = crew};
    const std::optional<Image> before =
        reference.digest ? store.find(document.digest.text()) : store.find(reference);
    const bool new_here = !before || before->manifest.digest != document.digest;

    crew.line(reference.digest ? reference.digest->text() : reference.tag,
              "Pulling from " + reference.path);
    crew.wait();
    fetch_config(client, pull);
    fault_after("pull-config");
    bring_layers(client, pull, at_once);
    install(store, document, reference);
    pull.holds.keep();
    remember_origin(store, pull.manifest, reference);
    crew.line("", "Digest: " + document.digest.text());
    crew.line("", fmt::format("Status: {} for {}",
                              new_here ? "Downloaded newer image" : "Image is up to date",
                              familiar(reference)));
    crew.wait();
    return document.digest.text();
}
// [/region]

}  // namespace

std::string pull(ImageStore& store, const Reference& reference, const Credentials& credentials,
                 const ProgressCallback& progress, const TransferOptions& options) {
    try {
        return bring_image(store, reference, credentials, progress, options);
    } catch (const std::system_error& error) {
        if (error.code().value() != ENOSPC && error.code().value() != EDQUOT) {
            throw;
        }
        throw SetupError(
            fmt::format("{}: {} in {}; nothing of it was kept: make room there and "
                        "pull it again",
                        familiar(reference), error.code().message(), store.data_root().native()),
            error.code(), kSetupFailed);
    }
}

}  // namespace drydock
