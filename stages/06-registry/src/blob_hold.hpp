#pragma once

#include <functional>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/content_store.hpp"

namespace drydock {

/// A lock with a digest for a name, among all threads and processes that use a store: a file in its
/// tmp/, which goes with the last who holds it; what a killed process leaves is of no harm.
class DigestLock {
  public:
    /// What the digest names: a first layer that is not compressed has the same one for its blob
    /// and for its unpacked files.
    enum class Of { Blob, Layer };
    /// Takes no lock yet.
    DigestLock(const ContentStore& store, Of of, const Digest& digest);
    /// Lets go.
    ~DigestLock();
    DigestLock(DigestLock&& other) noexcept;
    DigestLock& operator=(DigestLock&&) = delete;
    DigestLock(const DigestLock&) = delete;
    DigestLock& operator=(const DigestLock&) = delete;

    /// Alone: nobody else has any part in it. @return false when somebody has
    bool try_alone();
    /// With others. @return false when somebody has it alone
    bool try_shared();
    /// Waits until `made` says that what the digest names is there, or it is ours to make.
    /// @param waits called all the while; an exception from it ends the wait
    /// @return true: it is there, and we have it with others; false: we are alone, and make it
    bool wait_for(const std::function<bool()>& made, const std::function<void()>& waits);

  private:
    bool try_lock(int operation);

    std::filesystem::path path_;
    UniqueFd file_{};
};

/// That a blob is needed here: exactly one of all who need it at the same time, in this process or
/// another one, fetches it, and nobody takes it away who does not need it any more.
class BlobHold {
  public:
    /// Waits until the blob is there, or it is ours to fetch.
    /// @param waits called with the bytes that are there already while somebody else fetches; an
    /// exception from it ends the wait
    BlobHold(const ContentStore& store, const Digest& digest,
             const std::function<void(std::uint64_t)>& waits);

    /// Whether it is to be fetched, by us.
    [[nodiscard]] bool to_fetch() const noexcept { return to_fetch_; }
    /// Where we write it: what a killed process left there is gone on with.
    [[nodiscard]] Ingest begin(std::uint64_t size) const;
    /// It is there; others may go on with it.
    void fetched();
    /// The digest and its lock, when it was us who fetched it: for who takes it away again.
    [[nodiscard]] bool was_fetched() const noexcept { return fetched_; }
    [[nodiscard]] const Digest& digest() const noexcept { return digest_; }
    DigestLock& lock() noexcept { return lock_; }

  private:
    [[nodiscard]] std::string unfinished() const;

    const ContentStore* store_;
    Digest digest_;
    DigestLock lock_;
    bool to_fetch_ = false;
    bool fetched_ = false;
};

}  // namespace drydock
