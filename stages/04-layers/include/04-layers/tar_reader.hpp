#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "04-layers/digest.hpp"
#include "04-layers/tar_entry.hpp"

namespace drydock {

/// What an archive may ask of us. The defaults are beyond any honest layer.
struct TarLimits {
    std::uint64_t bytes = std::uint64_t{64}
                          << 30U;  ///< of the uncompressed stream, and of all files' logical sizes
    std::uint64_t entries = 2'000'000;
    /// uncompressed : compressed, looked at beyond the first GiB (deflate itself ends at 1032)
    std::uint64_t ratio = 250;
    unsigned depth = 256;  ///< parts of a path
};

/// Bytes of a file, at `offset`: what is between two blocks is a hole.
struct TarBlock {
    std::uint64_t offset = 0;
    std::span<const std::byte> bytes{};
};

/// Reads a tar archive, plain or compressed with gzip or zstd, in one pass and in bounded memory,
/// and computes the digests of the stream on the way. It writes nothing anywhere.
class TarReader {
  public:
    /// @param fd the archive, from its position on; lent until the reader is gone
    /// @param name for errors: a path or a digest
    /// @param more as ApplyOptions::more
    TarReader(int fd, std::string name, TarLimits limits = {},
              std::function<bool(std::uint64_t)> more = {});
    ~TarReader();
    TarReader(TarReader&&) noexcept;
    TarReader& operator=(TarReader&&) noexcept;
    TarReader(const TarReader&) = delete;
    TarReader& operator=(const TarReader&) = delete;

    /// The next entry, nullptr after the last; valid until the next call. What was not read of the
    /// one before is skipped.
    /// @throws InputError "NAME: entry 12: what"; also when the stream is damaged or a limit is met
    const TarEntry* next();
    /// The next block of the entry's data; nothing at its end. The bytes are valid until the next
    /// call.
    std::optional<TarBlock> next_block();
    /// All of the entry's data. @throws InputError when there is more than `limit` bytes
    std::string read(std::size_t limit);

    /// Reads on to the end of the stream, what follows the archive's end marker included.
    /// @return the digest of the uncompressed stream: the DiffID, if this is a layer
    Digest finish();
    /// bytes of the uncompressed stream so far
    [[nodiscard]] std::uint64_t uncompressed_bytes() const noexcept;
    /// bytes of the archive as it is stored, so far
    [[nodiscard]] std::uint64_t compressed_bytes() const noexcept;
    /// "NAME: entry 12 \"etc/passwd\"", for errors about the entry
    [[nodiscard]] std::string where() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
