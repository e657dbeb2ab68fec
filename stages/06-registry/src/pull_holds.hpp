#pragma once

#include <list>
#include <mutex>
#include <vector>

#include "05-images/image_store.hpp"

#include "blob_hold.hpp"

namespace drydock {

/// The blobs and unpacked layers that a pull needs: nobody else takes them away while it lives.
/// Those that the pull made go with it, unless it succeeded, or somebody else needs them by then.
/// For any number of threads.
class PullHolds {
  public:
    explicit PullHolds(ImageStore& store) : store_(&store) {}
    ~PullHolds();
    PullHolds(const PullHolds&) = delete;
    PullHolds& operator=(const PullHolds&) = delete;
    PullHolds(PullHolds&&) = delete;
    PullHolds& operator=(PullHolds&&) = delete;

    void add(BlobHold hold);
    /// An unpacked layer, with its lock, which is shared from here on.
    /// @param made it was us who unpacked it
    void add_layer(const Digest& chain, DigestLock lock, bool made);
    /// It succeeded.
    void keep() noexcept { kept_ = true; }

  private:
    struct Layer {
        Digest chain{};
        bool made = false;
        DigestLock lock;
    };
    void discard();

    ImageStore* store_;
    std::mutex mutex_{};
    std::list<BlobHold> blobs_{};
    std::list<Layer> layers_{};
    bool kept_ = false;
};

}  // namespace drydock
