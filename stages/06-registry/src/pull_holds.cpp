#include "pull_holds.hpp"

#include <set>
#include <utility>

#include "04-layers/chain_id.hpp"

namespace drydock {
namespace {

/// Blobs and ChainIDs that the images of the store need.
std::set<Digest> needed_by_images(const ImageStore& store) {
    std::set<Digest> needed;
    for (const Image& image : store.list()) {
        needed.insert({image.id, image.manifest.digest});
        for (const oci::Descriptor& layer : store.manifest(image).layers) {
            needed.insert(layer.digest);
        }
        for (const Digest& chain : chain_ids(store.config(image).diff_ids)) {
            needed.insert(chain);
        }
    }
    return needed;
}

}  // namespace

PullHolds::~PullHolds() {
    if (!kept_) {
        try {
            discard();
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): unused bytes harm nobody
        }
    }
}

void PullHolds::add(BlobHold hold) {
    const std::lock_guard lock(mutex_);
    blobs_.push_back(std::move(hold));
}

void PullHolds::add_layer(const Digest& chain, DigestLock lock, bool made) {
    lock.try_shared();  // it was alone, so this cannot fail
    const std::lock_guard guard(mutex_);
    layers_.push_back({.chain = chain, .made = made, .lock = std::move(lock)});
}

// [region: discard-pulled]
void PullHolds::discard() {
    // Locks first: who needs one of these now either still has its share, and we leave it, or is
    // done, and its image is listed.
    std::erase_if(blobs_,
                  [](BlobHold& hold) { return !hold.was_fetched() || !hold.lock().try_alone(); });
    std::erase_if(layers_, [](Layer& layer) { return !layer.made || !layer.lock.try_alone(); });
    if (blobs_.empty() && layers_.empty()) {
        return;
    }
    const std::set<Digest> needed = needed_by_images(*store_);
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
        if (!needed.contains(layer->chain)) {
            store_->snapshots().remove_layer(layer->chain);
        }
    }
    for (const BlobHold& hold : blobs_) {
        if (!needed.contains(hold.digest())) {
            store_->content().remove(hold.digest());
        }
    }
}
// [/region]

}  // namespace drydock
