#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/digest.hpp"

namespace drydock {

/// Owns a blob that is being written: bytes are hashed, counted and written in one pass, into a
/// temporary file of the store. Nobody sees the blob before commit(), and commit() is the only way
/// out: else it is discarded. Keep the store until then.
/// @see ContentStore::begin
class Ingest {
  public:
    /// @param temporary directory for unfinished blobs; @param blobs directory for finished ones;
    /// same filesystem
    Ingest(int temporary, int blobs);
    /// The same under a name of the caller's. What an earlier process wrote under that name, and
    /// kept, is there already: it is read once more, for the digest.
    Ingest(int temporary, int blobs, const std::string& name);
    /// Leaves the bytes for a later Ingest of that name, instead of discarding them. Nothing more
    /// can be written.
    void keep() noexcept;
    /// Discards what was not committed or kept.
    ~Ingest();
    Ingest(Ingest&& other) noexcept;
    Ingest& operator=(Ingest&& other) noexcept;
    Ingest(const Ingest&) = delete;
    Ingest& operator=(const Ingest&) = delete;

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
    /// Refuses the first byte beyond this size, so that a liar cannot fill the disk.
    void limit(std::uint64_t size) noexcept { limit_ = size; }
    /// The bytes written so far, and those that are still to come, for reading; position 0. Whoever
    /// reads them before commit() reads what nobody has checked yet.
    [[nodiscard]] UniqueFd reader() const;
    /// bytes written so far
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

    /// Publishes the blob under its digest; it is on disk, also after a power cut, when this
    /// returns. Fine when the store has it already.
    /// @throws InputError when digest or size are not the expected ones; the blob is gone then
    Digest commit(const std::optional<Digest>& expected = {},
                  std::optional<std::uint64_t> expected_size = {});

  private:
    void publish(const Digest& digest);
    void discard() noexcept;

    int temporary_ = -1;
    int blobs_ = -1;
    std::string name_{};
    UniqueFd fd_{};
    Sha256 hash_{};
    std::uint64_t size_ = 0;
    std::uint64_t limit_ = UINT64_MAX;
};

}  // namespace drydock
